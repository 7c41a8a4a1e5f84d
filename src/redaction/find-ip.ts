import ipaddr from 'ipaddr.js';
import type { Range } from './kinds.ts';
import { allMatches, isPrecededBy } from './scan.ts';

const V4 = /(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)/g;
const V6 = /(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4}|(?:\d{1,3}\.){3}\d{1,3})?(?![\w:])/g;
/** A number of four parts is a version or a section more often than an address where one of these stands before it. */
const NUMBERED =
  /(?:\b(?:v|ver|version|release|build|rev|section|sec|chapter|clause|figure|table|abschnitt|kapitel|oid)\.?|§)[ :=]{0,3}$/i;
/** Addresses of no machine in particular say nothing of anybody. */
const OF_NOBODY = new Set(['unspecified', 'broadcast', 'loopback', 'multicast']);

export function findIpAddresses(text: string): Range[] {
  return [...rangesOf(text, V4, isAddressV4), ...rangesOf(text, V6, isAddressV6)];
}

function rangesOf(text: string, pattern: RegExp, isAddress: (address: string) => boolean): Range[] {
  return allMatches(text, pattern)
    .filter((match) => isAddress(match[0]) && !isPrecededBy(text, match.index, NUMBERED))
    .map((match) => ({ start: match.index, end: match.index + match[0].length }));
}

function isAddressV4(text: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(text) && !OF_NOBODY.has(ipaddr.IPv4.parse(text).range());
}

/** With digits and three groups at least: `cafe::add` is a name in a program. */
function isAddressV6(text: string): boolean {
  const groups = text.split(':').filter((group) => group !== '');
  return (
    groups.length >= 3 &&
    /\d/.test(text) &&
    ipaddr.IPv6.isValid(text) &&
    !OF_NOBODY.has(ipaddr.IPv6.parse(text).range())
  );
}
