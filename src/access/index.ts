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
export { jobMayWrite, levelOnDocument, roleInGroup, visibleDocuments } from './visibility.ts';
