export type { SessionHandler, SessionPort, SessionSettings } from './contract.ts';
export { SESSION_TRANSITIONS, Session, type SessionState } from './session.ts';
export { TicketBook, ticketKey } from './ticket-book.ts';
export type { Left } from './unacknowledged.ts';
