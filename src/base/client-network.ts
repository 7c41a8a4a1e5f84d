import ipaddr from 'ipaddr.js';

/** How much of an address stands for one customer of a provider. */
interface PrefixBits {
  readonly ipv4: number;
  readonly ipv6: number;
}

/** One customer's office or home: /24 of IPv4; of IPv6 the /56 that RFC 6177 has providers hand out. */
export const CUSTOMER_NETWORK: PrefixBits = { ipv4: 24, ipv6: 56 };
/** One caller: an IPv4 address. Of IPv6 addresses everybody has more than can be counted, so the whole /56. */
export const CALLER_NETWORK: PrefixBits = { ipv4: 32, ipv6: 56 };

/** The network of an address in CIDR notation, as `192.0.2.0/24`; an IPv4 address written as IPv6 is IPv4. */
export function networkOf(clientAddress: string, bits: PrefixBits): string {
  if (!ipaddr.isValid(clientAddress)) return 'unknown';
  const address = ipaddr.process(clientAddress);
  const kept = bits[address.kind()];
  const bytes = address.toByteArray().map((byte, index) => byte & maskOf(kept - index * 8));
  return `${ipaddr.fromByteArray(bytes).toString()}/${kept}`;
}

function maskOf(bitsLeft: number): number {
  return (0xff00 >> Math.min(Math.max(bitsLeft, 0), 8)) & 0xff;
}
