/**
 * Answers as the Amazon EC2 API reference shows them, shortened to what says where an instance is and what stands around it.
 * Instances: docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html.
 * Errors: docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html.
 */

export interface InstanceFacts {
  readonly state?: string;
  readonly privateIp?: string;
  readonly publicIp?: string;
  readonly ipv6?: string;
}

export function instance({ state = 'running', privateIp, publicIp, ipv6 }: InstanceFacts): string {
  const optional = (name: string, value: string | undefined): string => (value === undefined ? '' : `<${name}>${value}</${name}>`);
  return `<item>
    <instanceId>i-1234567890abcdef0</instanceId>
    <imageId>ami-bff32ccc</imageId>
    <instanceState><code>${state === 'pending' ? 0 : 16}</code><name>${state}</name></instanceState>
    <privateDnsName>ip-192-168-1-88.eu-west-1.compute.internal</privateDnsName>
    <dnsName>ec2-54-194-252-215.eu-west-1.compute.amazonaws.com</dnsName>
    <reason/>
    <keyName>my_keypair</keyName>
    <amiLaunchIndex>0</amiLaunchIndex>
    <instanceType>t2.micro</instanceType>
    <launchTime>2018-05-08T16:46:19.000Z</launchTime>
    <placement><availabilityZone>eu-west-1c</availabilityZone><groupName/><tenancy>default</tenancy></placement>
    <subnetId>subnet-56f5f633</subnetId>
    <vpcId>vpc-11112222</vpcId>
    ${optional('privateIpAddress', privateIp)}${optional('ipAddress', publicIp)}${optional('ipv6Address', ipv6)}
    <tagSet><item><key>EngramCluster</key><value>production</value></item></tagSet>
  </item>`;
}

export function describeInstances(instances: readonly string[], nextToken?: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
  <requestId>8f7724cf-496f-496e-8fe3-example</requestId>
  <reservationSet>
    <item>
      <reservationId>r-1234567890abcdef0</reservationId>
      <ownerId>123456789012</ownerId>
      <groupSet/>
      <instancesSet>${instances.join('')}</instancesSet>
    </item>
  </reservationSet>
  ${nextToken === undefined ? '' : `<nextToken>${nextToken}</nextToken>`}
</DescribeInstancesResponse>`;
}

export function errorAnswer(code: string, message: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<Response><Errors><Error><Code>${code}</Code><Message>${message}</Message></Error></Errors><RequestID>ea966190-f9aa-478e-9ede-example</RequestID></Response>`;
}
