export {
  guestSubject,
  hasRole,
  LEVELS,
  type Level,
  type Permission,
  type Scope,
  type Subject,
  type SystemRole,
  systemSubject,
} from './subject.ts';
export { levelOnDocument, visibleDocuments } from './visibility.ts';
