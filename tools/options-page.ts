import type { OptionSpec, OptionSpecs } from '../packages/base/src/options.ts';
import { devOptions } from '../packages/cli/src/dev/dev-options.ts';
import { processOptions } from '../packages/runtime/src/run-main.ts';
import { brokerOptions } from '../services/broker/src/options.ts';
import { coordinatorOptions } from '../services/coordinator/src/options.ts';
import { gatewayOptions } from '../services/gateway/src/options.ts';

/** docs/OPTIONS.md as the declarations have it; `npm run check` compares, `npm run docs` writes. */
export function optionsPage(): string {
  const commands: [string, string, OptionSpecs][] = [
    ['weir dev', 'WEIR_DEV_', devOptions],
    ['weir coordinator', 'WEIR_COORDINATOR_', { ...coordinatorOptions, ...processOptions }],
    ['weir broker', 'WEIR_BROKER_', { ...brokerOptions, ...processOptions }],
    ['weir gateway', 'WEIR_GATEWAY_', { ...gatewayOptions, ...processOptions }],
  ];
  const sections = commands.map(
    ([command, prefix, specs]) => `## ${command}

| Option | Environment | Default | |
| --- | --- | --- | --- |
${Object.entries(specs)
  .map(([name, spec]) => row(name, prefix, spec))
  .join('\n')}
`,
  );
  return `# Options

Every option can be given as a word (\`--name value\`), as a variable of the environment, or by its name in a YAML file
(\`--config FILE\`); the first of these that has it wins. An option that does not exist, or a value that is out of bounds,
stops the start with a message that names it. \`weir dev\` passes a service's option on when the service's name stands in
front: \`--broker.flush interval\`.

Tracing is set by OpenTelemetry's own variables: it is on when \`OTEL_EXPORTER_OTLP_ENDPOINT\` is set.

*This page is made from the declarations by \`npm run docs\`.*

${sections.join('\n')}`;
}

function row(name: string, prefix: string, spec: OptionSpec): string {
  const variable = prefix + name.toUpperCase().replaceAll(/[-.]/g, '_');
  const fallback = spec.default === undefined ? '' : `\`${spec.default}\``;
  return `| \`--${name}\` | \`${variable}\` | ${fallback} | ${spec.description}${bounds(spec)} |`;
}

function bounds(spec: OptionSpec): string {
  switch (spec.type) {
    case 'integer':
      return ` (${spec.min} to ${spec.max})`;
    case 'choice':
      return ` (${spec.choices.map((choice) => `\`${choice}\``).join(', ')})`;
    case 'string':
    case 'boolean':
      return '';
  }
}
