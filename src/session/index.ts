export {
  SESSION_TRANSITIONS,
  type SessionHandler,
  type SessionPort,
  type SessionSettings,
  type SessionState,
} from './contract.ts';
export { Session } from './session.ts';
export { TicketBook, type TicketOwner, type Tickets, ticketKey } from './ticket-book.ts';
export type { Left } from './unacknowledged.ts';
