import { expect, test } from 'vitest';
import { sentOnConnections } from './process-facts.js';

const connections = [
  'ESTAB 0      0      127.0.0.1:48246 127.0.0.1:18447 users:(("node",pid=9686,fd=52))',
  '\t bbr wscale:10,10 bytes_sent:391 bytes_acked:392 bytes_received:762',
  'ESTAB 0      0      127.0.0.1:8080 127.0.0.1:5000 users:(("node",pid=9686,fd=61))',
  '\t bbr bytes_sent:7000 bytes_acked:7000',
  'ESTAB 0      0      127.0.0.1:18447 127.0.0.1:48246 users:(("node",pid=96,fd=3))',
  '\t bbr bytes_sent:50 bytes_acked:50',
  'ESTAB 0      0      127.0.0.1:9000 127.0.0.1:9001 users:(("node",pid=9686,fd=70))',
  '\t bbr bytes_received:10',
].join('\n');

test('what a process has sent is summed over its connections, without those to its clients', () => {
  expect(sentOnConnections(connections, 9686, 8080)).toBe(391);
  expect(sentOnConnections(connections, 96, 8080)).toBe(50);
  expect(sentOnConnections('', 96, 8080)).toBe(0);
});
