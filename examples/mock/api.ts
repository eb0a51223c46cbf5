/** What the two sides of the mock say to each other. Types only: nothing here runs. */
export interface MockApi {
  toServer: { events: { message: string } };
  toClient: { events: { message: string } };
}
