export {
  SESSION_TRANSITIONS,
  Session,
  type SessionHandler,
  type SessionPort,
  type SessionSettings,
  type SessionState,
} from './session.ts';
export { TicketBook } from './ticket-book.ts';
export type { Left } from './unacknowledged.ts';
