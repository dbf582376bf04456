import type { Command } from 'commander';
import { collect } from './remote.js';

/** The flags that override a configuration: of `start`, and of `config check`, which shows what they do. */
export function withStartFlags(command: Command): Command {
  return command
    .option('-c, --config <file>', 'TOML file (default: ENGRAM_CONFIG)')
    .option('--http-port <port>', 'port of HTTP; 0 takes any free one (default: 7432)')
    .option('--grpc-port <port>', 'port of gRPC; 0 takes any free one (default: 50051)')
    .option('-d, --data-dir <dir>', 'where the data lives (default: ./data)')
    .option('--node-id <id>', 'name of the node (default: made up at the first start and kept)')
    .option('--log-level <level>', 'least severe message that is written (default: info)')
    .option('--cluster-mode <mode>', 'single, or distributed to take part in a cluster (default: single)')
    .option('--seed <address>', 'SWIM address of another node, such as 10.0.0.5:7946; turns the cluster on; repeat for several', collect)
    .option('--swim-port <port>', 'port of SWIM, UDP and TCP; 0 takes any free one (default: 7946)');
}
