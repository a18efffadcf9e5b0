/**
 * address: what a proven address tells: which block it is of, and who could reach it. Numeric IPv4 and IPv6 alone.  (pure)
 */

import { isLoopback } from "../../core/transport.ts";

/** The block that one attacker is taken to own: an IPv4 /24, an IPv6 /64. */
export function addressBlock(ip: string): string {
  return ip.includes(":") ? prefix6(ip, 4) : ip.slice(0, ip.lastIndexOf("."));
}

/** What one machine has of addresses: one of IPv4, a /64 of IPv6. */
export function singleAddress(ip: string): string {
  return ip.includes(":") ? addressBlock(ip) : ip;
}

/** The block that a customer of some size owns: an IPv4 /16, an IPv6 /48. */
export function wideAddressBlock(ip: string): string {
  return ip.includes(":") ? prefix6(ip, 3) : ip.split(".").slice(0, 2).join(".");
}

/** The first groups of an IPv6 address. */
function prefix6(ip: string, count: number): string {
  const [head = "", tail] = ip.split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const last = tail === "" ? [] : tail.split(":");
    // An IPv4 tail (RFC 4291 §2.2) stands for two groups; it is never among the first four.
    const tailGroups = last.length + (tail.includes(".") ? 1 : 0);
    while (groups.length + tailGroups < 8) groups.push("0");
    groups.push(...last);
  }
  return groups.slice(0, count).map((group) => parseInt(group, 16).toString(16)).join(":");
}

/** RFC 1918, RFC 3927, RFC 6598; unique local and link-local IPv6. */
const privateRanges =
  /^(10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|f[cd]|fe[89ab])/i;

function reach(ip: string): number {
  if (isLoopback(ip)) return 0;
  return privateRanges.test(ip) ? 1 : 2;
}

/**
 * Whether an address may be offered to someone: a loopback one only on loopback, a private one not to the public, so that
 * nobody is sent to dial his own machine or network.
 */
export function isOfferable(ip: string, toIp: string): boolean {
  return reach(ip) >= reach(toIp);
}
