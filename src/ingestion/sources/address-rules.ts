import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Every globally routed IPv6 address lies in 2000::/3 (IANA IPv6 address space); `ipaddr.js` calls unknown ranges unicast. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');

/** Azure's WireServer answers with secrets of the virtual machine at an address that looks public. */
const CLOUD_PLATFORM_ADDRESSES = new Set(['168.63.129.16']);

/**
 * Whether a literal IP address belongs to the public internet. Addresses that carry an IPv4 address inside (mapped, NAT64,
 * 6to4, Teredo …) are refused or judged by what they carry; what is no address at all is refused.
 */
export function isPublicAddress(address: string): boolean {
  // `ipaddr.js` reads more than addresses, as `1.2.3` and octal forms.
  if (isIP(address) === 0) return false;
  const parsed = ipaddr.process(address);
  if (parsed.range() !== 'unicast') return false;
  if (parsed instanceof ipaddr.IPv6) return parsed.match(GLOBAL_UNICAST);
  return !CLOUD_PLATFORM_ADDRESSES.has(parsed.toString());
}
