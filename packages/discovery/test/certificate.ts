import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate for 127.0.0.1 that vouches for itself, and its key; with the files, for servers that want files. */
export interface Certificate extends Disposable {
  readonly cert: string;
  readonly key: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** Makes one with openssl, so that no key lies in the repository. Undefined where there is no openssl. */
export function selfSigned(): Certificate | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'engram-certificate-'));
  const [certFile, keyFile] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
  const made = spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-keyout', keyFile, '-out', certFile, '-subj', '/CN=engram test', '-addext', 'subjectAltName=IP:127.0.0.1'],
  ]);
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  if (made.status !== 0) {
    remove();
    return undefined;
  }
  return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8'), certFile, keyFile, [Symbol.dispose]: remove };
}
