import { expect, test } from 'vitest';
import { CALLER_NETWORK, CUSTOMER_NETWORK, networkOf } from './client-network.ts';

test.each([
  ['192.0.2.77', '192.0.2.0/24', '192.0.2.77/32'],
  ['::ffff:192.0.2.77', '192.0.2.0/24', '192.0.2.77/32'],
  ['2001:db8:1:2ff::1', '2001:db8:1:200::/56', '2001:db8:1:200::/56'],
  ['2001:db8:1:300::1', '2001:db8:1:300::/56', '2001:db8:1:300::/56'],
  ['fe80::1%eth0', 'fe80::/56', 'fe80::/56'],
  ['nonsense', 'unknown', 'unknown'],
])('of %s the customer is %s and the caller %s', (address, customer, caller) => {
  expect([networkOf(address, CUSTOMER_NETWORK), networkOf(address, CALLER_NETWORK)]).toEqual([customer, caller]);
});
