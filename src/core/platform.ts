/**
 * Whether this is the browser client's bundle, which reads this file as if it said true (scripts/client-bundle.mjs): there is no server, no
 * dialect but `hawser.v1`, and nothing that only Node has. What stands behind `!ON_PAGE` weighs nothing there.
 */
export const ON_PAGE: boolean = false;
