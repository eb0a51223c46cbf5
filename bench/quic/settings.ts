/** What `quic:` has off loopback: the longest datagram that every path carries. */
export const INTERNET = { datagramBytes: 1200 };
