import type { CollectedEndpoints } from './collected-endpoints.js';

export interface AwsPlace {
  readonly port: number;
  /** Whether the private address is taken or the public one. */
  readonly privateIp: boolean;
}

/**
 * Adds the instances of one page of `DescribeInstances`, as the SDK hands it over. The filter asked for running and
 * pending ones already; the state is looked at again, since what answers may not be AWS. An instance in a subnet of IPv6
 * only has neither private nor public IPv4 address and is found at its IPv6 address.
 */
export function collectReservations(found: CollectedEndpoints, page: unknown, { port, privateIp }: AwsPlace): void {
  for (const reservation of arrayOf(objectOf(page)['Reservations'])) {
    for (const instance of arrayOf(objectOf(reservation)['Instances'])) {
      const { State, PrivateIpAddress, PublicIpAddress, Ipv6Address } = objectOf(instance);
      const state = objectOf(State)['Name'];
      const host = (privateIp ? PrivateIpAddress : PublicIpAddress) ?? Ipv6Address;
      if (state !== 'running' && state !== 'pending') found.leaveOut('neither running nor pending');
      else if (host === undefined) found.leaveOut(privateIp ? 'as it has no address yet' : 'without a public address');
      else found.add(host, port);
    }
  }
}

/** Asks for the next page; undefined on the last. */
export function nextToken(page: unknown): string | undefined {
  const token = objectOf(page)['NextToken'];
  return typeof token === 'string' && token !== '' ? token : undefined;
}

/** A region as AWS names them: `eu-central-1`, `us-gov-west-1`. It becomes part of a host name, so nothing else will do. */
export function isRegion(text: unknown): text is string {
  return typeof text === 'string' && /^[a-z]{2}(?:-[a-z]+){1,3}-\d{1,2}$/.test(text);
}

function arrayOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
