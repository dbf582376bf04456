import { EngramError, shown } from '@engram/kernel';
import { apiAddress, below } from './api-address.js';
import { isRegion } from './aws-answer.js';
import { callHttp, refused, type HttpCall } from './bounded-http.js';

/** The instance metadata service is on the same machine: what does not answer within a second is not there. */
const metadataMsMax = 1_000;

/**
 * The region of the instance this runs on, from the instance metadata service in its second version: a token first, then
 * the question. (EC2 user guide, "Use the Instance Metadata Service to access instance metadata".)
 */
export async function regionOfInstance(source: string, environment: NodeJS.ProcessEnv, signal: AbortSignal): Promise<string> {
  if (environment['AWS_EC2_METADATA_DISABLED']?.toLowerCase() === 'true') throw regionUnknown(source, 'the metadata service is switched off by AWS_EC2_METADATA_DISABLED');
  const base = apiAddress('AWS_EC2_METADATA_SERVICE_ENDPOINT', environment['AWS_EC2_METADATA_SERVICE_ENDPOINT'] ?? 'http://169.254.169.254', { scheme: 'http', port: 80 });
  const ask = async (method: 'GET' | 'PUT', path: string, headers: Record<string, string>): Promise<string> => {
    const call: HttpCall = { source, method, url: below(base, path.split('/')), headers, signal, silenceMsMax: metadataMsMax, secrets: Object.values(headers) };
    const { status, text } = await callHttp(call);
    if (status !== 200) throw refused(call, status, text);
    return text.trim();
  };
  try {
    const token = await ask('PUT', 'latest/api/token', { 'x-aws-ec2-metadata-token-ttl-seconds': '60' });
    const region = await ask('GET', 'latest/meta-data/placement/region', { 'x-aws-ec2-metadata-token': /^[\x21-\x7e]+$/.test(token) ? token : '' });
    if (!isRegion(region)) throw regionUnknown(source, `the metadata service named a region that is none: ${shown(region)}`);
    return region;
  } catch (error) {
    if (error instanceof EngramError && error.message.includes('region')) throw error;
    throw regionUnknown(source, (error as Error).message.replace(`${source}: `, ''));
  }
}

function regionUnknown(source: string, reason: string): EngramError {
  return new EngramError('discovery_failed', `${source}: the region is not known; ${reason}`, {
    hint: 'Give the source a region, or set AWS_REGION. In a container on EC2, the metadata service needs a hop limit of 2.',
    details: { source },
  });
}
