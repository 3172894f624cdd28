import { styles } from '../terminal.ts';
import type { Terminal } from '../terminal.ts';
import type { LaunchedService } from './launcher.ts';

/** What `weir dev` says once it is ready: where things are, and lines to copy. */
export function banner(
  services: readonly LaunchedService[],
  about: { readonly dataDirectory: string; readonly seconds: number },
  terminal: Pick<Terminal, 'colour'>,
): string {
  const { bold, dim } = styles(terminal);
  const rows = services.map(
    ({ plan, addresses }) =>
      [`${plan.kind} ${plan.id}`, placeOf(addresses), `http://${addresses['ops']}/metrics`] as const,
  );
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  const list = rows
    .map(([name, place, ops]) => `  ${name.padEnd(widths[0]!)}  ${place.padEnd(widths[1]!)}  ${dim(ops)}`)
    .join('\n');
  const gateway = services.find(({ plan }) => plan.kind === 'gateway')?.addresses['http'];
  const coordinator = services.find(({ plan }) => plan.kind === 'coordinator')?.addresses['grpc'];
  const kafka = services.find(({ plan }) => plan.kind === 'broker')?.addresses['kafka'];
  const elsewhere = coordinator === '127.0.0.1:7070' ? '' : ` --coordinators ${coordinator}`;
  const url = `http://${gateway}/v1/topics/demo`;
  return `${bold('Weir is ready')} after ${about.seconds.toFixed(1)} s. Its data is in ${about.dataDirectory}

${list}

In another terminal, write a record, read it, follow what comes:

  curl -d '{"hello":"weir"}' -H 'content-type: application/json' ${url}/records
  curl '${url}/records?offset=0'
  curl -N '${url}/stream?from=earliest'
  echo 'a line' | ./bin/weir produce demo${elsewhere}
${kafka === undefined ? '' : kafkaLines(kafka)}
Ctrl-C stops it.
`;
}

function placeOf({ http, kafka, grpc }: Readonly<Record<string, string>>): string {
  if (http !== undefined) return `http://${http}`;
  return kafka === undefined ? `grpc ${grpc}` : `kafka ${kafka}  grpc ${grpc}`;
}

/** `kafka`: an address, or several with the names of their listeners; this machine is told the first one. */
function kafkaLines(kafka: string): string {
  const [first] = kafka.split(',') as [string];
  return `
Or with any Kafka client, as kcat:

  kcat -b ${first.slice(first.indexOf('=') + 1)} -L
`;
}
