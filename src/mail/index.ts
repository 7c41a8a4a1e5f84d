export { enqueueMail, type MailRequest, SEND_MAIL } from './enqueue-mail.ts';
export { createMailer, type Mailer } from './mailer.ts';
export { deleteMailTo, deleteOverdueMail } from './queries.ts';
