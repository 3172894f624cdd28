import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { messageOf } from '../packages/base/src/errors.ts';
import { hasGo, KIND, KindLoader } from './helm/kind-loader.ts';
import type { KindCluster } from './helm/kind-loader.ts';

/** `npm run check:kind`: deploy/kind/cluster.yaml is what kind's own loader takes, and fits the values beside it. */

const FILE = 'deploy/kind/cluster.yaml';
const VALUES = 'deploy/kind/values.yaml';

if (hasGo()) {
  try {
    using loader = KindLoader.build();
    refusesWhatIsWrong(loader);
    const cluster = loader.load(FILE);
    fitsTheValues(cluster);
    const roles = cluster.nodes.map(({ role }) => role).join(', ');
    console.log(`ok      ${FILE}: ${KIND} takes it: ${cluster.name} of ${roles}`);
  } catch (error) {
    console.log(`FAILED  ${FILE}: ${messageOf(error)}`);
    process.exitCode = 1;
  }
} else {
  console.log(`skipped ${FILE}: there is no Go to build kind's loader with (https://go.dev/doc/install)`);
}

/** A loader that takes everything would prove nothing. @throws Error when this one does */
function refusesWhatIsWrong(loader: KindLoader): void {
  const directory = mkdtempSync(join(tmpdir(), 'weir-kind-'));
  try {
    for (const [from, to] of [
      ['extraPortMappings', 'extraPortMapping'],
      ['role: worker', 'role: labourer'],
      ['hostPort: 30080', 'hostPort: 300800'],
    ] as const) {
      const file = join(directory, 'cluster.yaml');
      const text = readFileSync(FILE, 'utf8');
      if (!text.includes(from)) throw new Error(`${FILE} has no "${from}" to break`);
      writeFileSync(file, text.replace(from, to));
      if (takes(loader, file)) throw new Error(`kind's loader takes "${to}" as well`);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function takes(loader: KindLoader, file: string): boolean {
  try {
    loader.load(file);
    return true;
  } catch {
    return false;
  }
}

/** The port of the gateways' Service is one that the cluster opens, on loopback only. @throws Error when not */
function fitsTheValues({ nodes }: KindCluster): void {
  const { gateway } = parse(readFileSync(VALUES, 'utf8')) as { gateway: { service: { nodePort: number } } };
  const ports = nodes.flatMap((node) => node.ports);
  const mapped = ports.find(({ container }) => container === gateway.service.nodePort);
  if (mapped === undefined) throw new Error(`it maps no port to the NodePort ${gateway.service.nodePort} of ${VALUES}`);
  const open = ports.find(({ address }) => address !== '127.0.0.1');
  if (open !== undefined) throw new Error(`port ${open.host} is open on ${open.address}, not only on 127.0.0.1`);
}
