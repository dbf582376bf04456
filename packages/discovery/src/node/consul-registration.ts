import { EngramError, shown } from '@engram/kernel';
import { readEndpoint } from '../core/endpoint.js';
import type { SelfRegistration } from '../source.js';

/** Time after which Consul forgets a node that is gone for good. Consul itself takes no less than a minute. */
const forgottenAfter = '10m';

/** Body of `PUT /v1/agent/service/register`. */
export interface ConsulServiceDefinition {
  readonly ID: string;
  readonly Name: string;
  readonly Address: string;
  readonly Port: number;
  readonly Tags: readonly string[];
  readonly Meta: Readonly<Record<string, string>>;
  readonly Check?: ConsulCheck;
}

export interface ConsulCheck {
  readonly Name: string;
  readonly HTTP: string;
  readonly Method: 'GET';
  readonly Interval: string;
  readonly Timeout: string;
  readonly DeregisterCriticalServiceAfter: string;
}

/**
 * This node as a service of Consul: found at its SWIM address, checked by the agent on the HTTP port. The check asks
 * `/livez` and not `/readyz`, because a node that still looks for its peers must be findable by them. Without an HTTP
 * address there is no check, and the service counts as passing until it is taken back.
 */
export function serviceDefinition(service: string, tag: string | undefined, self: SelfRegistration): ConsulServiceDefinition {
  const swim = readEndpoint(self.swim);
  if (swim === undefined) {
    throw new EngramError('discovery_failed', `consul: cannot register this node, as its SWIM address ${shown(self.swim)} is not host:port`, {
      hint: 'Give the advertised address as host:port or [v6]:port.',
    });
  }
  return {
    ID: `${service}-${self.nodeId}`,
    Name: service,
    Address: swim.host,
    Port: swim.port,
    Tags: tag === undefined ? [] : [tag],
    Meta: { engram_cluster: self.cluster, engram_node_id: self.nodeId, ...(self.clusterId === undefined ? {} : { engram_cluster_id: self.clusterId }) },
    ...(self.http === undefined ? {} : { Check: livenessCheck(self.http) }),
  };
}

function livenessCheck(http: string): ConsulCheck {
  return {
    Name: 'Engram is alive',
    HTTP: `http://${http}/livez`,
    Method: 'GET',
    Interval: '10s',
    Timeout: '5s',
    DeregisterCriticalServiceAfter: forgottenAfter,
  };
}
