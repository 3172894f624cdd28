import { cpus, totalmem } from 'node:os';
import { benchCoordinator, benchCoordinatorOnEtcd } from './coordinator.ts';
import { benchDisk } from './disk.ts';
import { benchFetchWakes } from './fetch-wakes.ts';
import { benchGateway } from './gateway.ts';
import { benchGatewayConsumers } from './gateway-consumers.ts';
import { benchGrpc } from './grpc.ts';
import { benchKafka } from './kafka/suite.ts';
import { benchLog } from './log.ts';
import { benchManyPartitions, benchRecovery } from './partitions.ts';
import { benchRequests } from './requests.ts';
import { benchStart } from './start.ts';
import { benchStreams } from './streams.ts';

/** `npm run bench`, or parts of it: `npm run bench -- gateway grpc`; `npm run bench -- kafka …` is a suite of its own. */
const parts: Readonly<Record<string, () => void | Promise<void>>> = {
  start: benchStart,
  gateway: benchGateway,
  consumers: benchGatewayConsumers,
  coordinator: benchCoordinator,
  etcd: benchCoordinatorOnEtcd,
  grpc: benchGrpc,
  streams: benchStreams,
  log: async () => {
    await benchLog();
    await benchManyPartitions();
    await benchRecovery();
  },
  requests: benchRequests,
  wakes: benchFetchWakes,
  disk: benchDisk,
};

const USAGE = `npm run bench                  all parts: ${Object.keys(parts).join(', ')}
npm run bench -- gateway grpc  some of them
npm run bench -- kafka         beside Apache Kafka, with Kafka's own tools: see npm run bench -- kafka --help`;

const words = process.argv.slice(2);
const [first, ...rest] = words;
if (first === '--help') {
  console.log(USAGE);
  process.exit(0);
}
const machine = `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? '?'}, ${Math.round(totalmem() / 1024 ** 3)} GiB; the load shares these cores`;
if (first === 'kafka') {
  console.error(machine);
  process.exit(await benchKafka(rest));
}
const wanted = words.length > 0 ? words : Object.keys(parts);
const unknown = wanted.find((name) => parts[name] === undefined);
if (unknown !== undefined) {
  console.error(`"${unknown}" is no benchmark\n${USAGE}`);
  process.exit(2);
}
console.log(machine);
for (const name of wanted) await parts[name]!();
