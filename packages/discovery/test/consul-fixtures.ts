/**
 * Answers as the documentation of Consul shows them, shortened to what names an endpoint and what stands around it.
 * Health: developer.hashicorp.com/consul/api-docs/health, "List Service Instances for Service".
 * Catalogue: developer.hashicorp.com/consul/api-docs/catalog, "List Nodes for Service".
 */

export function healthEntry(nodeAddress: string, serviceAddress: string, port: number): unknown {
  return {
    Node: {
      ID: '40e4a748-2192-161a-0510-9bf59fe950b5',
      Node: 'foobar',
      Address: nodeAddress,
      Datacenter: 'dc1',
      TaggedAddresses: { lan: nodeAddress, wan: nodeAddress },
      Meta: { instance_type: 't2.medium' },
      CreateIndex: 5,
      ModifyIndex: 6,
    },
    Service: {
      ID: 'engram-n1',
      Service: 'engram',
      Tags: ['primary'],
      Address: serviceAddress,
      TaggedAddresses: { lan: { address: serviceAddress, port }, wan: { address: '198.18.1.2', port: 80 } },
      Meta: { engram_cluster: 'production' },
      Port: port,
      Weights: { Passing: 10, Warning: 1 },
      EnableTagOverride: false,
      CreateIndex: 12,
      ModifyIndex: 12,
    },
    Checks: [
      {
        Node: 'foobar',
        CheckID: 'service:engram-n1',
        Name: 'Engram is alive',
        Status: 'passing',
        Notes: '',
        Output: '',
        ServiceID: 'engram-n1',
        ServiceName: 'engram',
        ServiceTags: ['primary'],
      },
      { Node: 'foobar', CheckID: 'serfHealth', Name: 'Serf Health Status', Status: 'passing', Notes: '', Output: '', ServiceID: '', ServiceName: '', ServiceTags: [] },
    ],
  };
}

export function catalogueEntry(nodeAddress: string, serviceAddress: string, port: number): unknown {
  return {
    ID: '40e4a748-2192-161a-0510-9bf59fe950b5',
    Node: 't2.320',
    Address: nodeAddress,
    Datacenter: 'dc1',
    TaggedAddresses: { lan: nodeAddress, wan: nodeAddress },
    NodeMeta: { somekey: 'somevalue' },
    CreateIndex: 51,
    ModifyIndex: 51,
    ServiceAddress: serviceAddress,
    ServiceEnableTagOverride: false,
    ServiceID: '32a2a47f7992:nodea:5000',
    ServiceName: 'engram',
    ServicePort: port,
    ServiceMeta: { engram_cluster: 'production' },
    ServiceTaggedAddresses: {},
    ServiceTags: ['acl'],
    ServiceWeights: { Passing: 1, Warning: 1 },
    Namespace: 'default',
  };
}

/** 403 as an agent with ACLs words it. */
export const permissionDenied = `Permission denied: token with AccessorID '00000000-0000-0000-0000-000000000002' lacks permission 'service:read' on "engram"`;
