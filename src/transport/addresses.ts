const BYTE = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const IPV4 = new RegExp(`^${BYTE}(?:\\.${BYTE}){3}$`);
/** The longest text of an IPv6 address, without a zone. */
const IPV6_LENGTH = 45;
const MAPPED = '::ffff:';

/** The one way to write an IP address, so that two texts of one address are equal; IPv4 inside IPv6 is IPv4. Undefined for all else. */
export function canonicalAddress(text: string): string | undefined {
  if (IPV4.test(text)) return text;
  if (text.length > IPV6_LENGTH || !/^[\da-f:.]*:[\da-f:.]*$/i.test(text)) return undefined;
  try {
    return unmapped(new URL(`http://[${text}]`).hostname.slice(1, -1));
  } catch {
    return undefined;
  }
}

/** `::ffff:102:304`, as URLs write it, is 1.2.3.4. */
function unmapped(address: string): string {
  if (!address.startsWith(MAPPED)) return address;
  const [high = 0, low = 0] = address
    .slice(MAPPED.length)
    .split(':')
    .map((part) => Number.parseInt(part, 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/** Whether an address can only be this machine's. */
export function isLoopbackAddress(address: string): boolean {
  return address === '::1' || /^127(\.\d{1,3}){3}$/.test(address);
}
