import { cpus, totalmem } from 'node:os';
import { benchDisk } from './disk.ts';
import { benchGateway } from './gateway.ts';
import { benchGrpc } from './grpc.ts';
import { benchLog } from './log.ts';
import { benchManyPartitions, benchRecovery } from './partitions.ts';
import { benchStart } from './start.ts';

/** `npm run bench`, or parts of it: `npm run bench -- gateway grpc`. */
const parts: Readonly<Record<string, () => void | Promise<void>>> = {
  start: benchStart,
  gateway: benchGateway,
  grpc: benchGrpc,
  log: async () => {
    await benchLog();
    await benchManyPartitions();
    await benchRecovery();
  },
  disk: benchDisk,
};

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(parts);
const unknown = wanted.find((name) => parts[name] === undefined);
if (unknown !== undefined) {
  console.error(`"${unknown}" is no benchmark; there are ${Object.keys(parts).join(', ')}`);
  process.exit(2);
}
console.log(
  `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? '?'}, ${Math.round(totalmem() / 1024 ** 3)} GiB; the load shares these cores`,
);
for (const name of wanted) await parts[name]!();
