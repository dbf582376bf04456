/** One member of the measured cluster, in a process of its own: says what it sees, and its metrics for each line it is sent. */
import { createInterface } from 'node:readline';
import { createSwim, Keyring } from '@engram/swim';

const { name, port, seed, key, preset } = JSON.parse(process.argv[2]);
const node = await createSwim({
  cluster: 'bench', name, preset,
  bind: `127.0.0.1:${port}`,
  seeds: seed === undefined ? [] : [`127.0.0.1:${seed}`],
  ...(key !== undefined && { keyring: new Keyring(key) }),
});
node.on('change', ({ type, member }) => console.log(`change ${type} ${member.name}`));
await node.join();

createInterface(process.stdin)
  .on('line', () => console.log(`metrics ${JSON.stringify(node.metrics())}`))
  .on('close', () => process.exit());
