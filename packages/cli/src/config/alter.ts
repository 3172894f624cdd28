import type { ConfigAlteration } from '@weir/client/alter-configs.ts';
import type { Client } from '@weir/client/client.ts';
import { EXIT } from '../command.ts';
import { counted } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { withClient } from '../with-client.ts';
import { configsSetOf, resourceJson, resourceName } from './resource.ts';

/** Alters configs of one resource, and says what is set of it then. */
export async function alterAndTell(
  alteration: ConfigAlteration,
  options: { readonly coordinators: string; readonly timeout: number; readonly output: 'text' | 'json' },
  terminal: Terminal,
): Promise<number> {
  const { resource, set = {}, unset = [] } = alteration;
  return withClient(options, async (client) => {
    await alterConfigs(client, alteration);
    if (options.output === 'json') {
      terminal.out(`${JSON.stringify({ ...resourceJson(resource), configs: configsSetOf(client, resource) })}\n`);
    } else {
      const count = Object.keys(set).length;
      const what = count > 0 ? `${counted(count, 'config')} set` : `${counted(unset.length, 'config')} unset`;
      terminal.out(`${resourceName(resource)}: ${what}\n`);
    }
    return EXIT.ok;
  });
}

/** @throws Error (as a rejection) with the coordinator's reason */
export async function alterConfigs(
  client: Client,
  alteration: ConfigAlteration,
  options: { readonly validateOnly?: boolean } = {},
): Promise<void> {
  const [result] = await client.alterConfigs([alteration], options);
  const refusal = result?.refusal;
  if (refusal !== undefined) throw new Error(`${refusal.message} (${refusal.code})`);
}
