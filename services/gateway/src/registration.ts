import type { Cancel } from '@weir/base/clock.ts';
import { messageOf } from '@weir/base/errors.ts';
import { REGISTRATION_RETRY_MS } from '@weir/base/limits.ts';
import type { NamespaceSession } from '@weir/client/namespace/namespace-session.ts';
import type { World } from '@weir/runtime/world.ts';
import type { GatewayNamespace } from './gateway-client.ts';

/** Shows this gateway below /gateways/ids for as long as it runs, by a session that is opened again when it is lost. */
export class GatewayRegistration {
  readonly #namespace: GatewayNamespace;
  readonly #gateway: { readonly id: string; readonly httpAddress: string };
  readonly #world: Pick<World, 'clock' | 'logger'>;
  #session: NamespaceSession | undefined;
  #cancelRetry: Cancel | undefined;
  #stopped = false;

  constructor(
    namespace: GatewayNamespace,
    gateway: { readonly id: string; readonly httpAddress: string },
    world: Pick<World, 'clock' | 'logger'>,
  ) {
    this.#namespace = namespace;
    this.#gateway = gateway;
    this.#world = world;
    this.#open();
  }

  /** What it is shown by, while it is. */
  get shown(): { readonly gateway: string; readonly session: number } | undefined {
    const session = this.#session;
    if (this.#stopped || session === undefined || session.signal.aborted) return undefined;
    return { gateway: this.#gateway.id, session: session.owner };
  }

  /** It is not shown any more, from now on: others send it nothing new while it drains. */
  stop(): void {
    this.#stopped = true;
    this.#cancelRetry?.();
    this.#session
      ?.close()
      .catch((error: unknown) => this.#world.logger.debug({ err: error }, 'the session did not close'));
  }

  #open(): void {
    this.#namespace.openSession({ gateway: this.#gateway }).then(
      (session) => this.#opened(session),
      (error: unknown) => {
        this.#world.logger.debug({ err: error }, `this gateway is not shown to others: ${messageOf(error)}`);
        this.#retry();
      },
    );
  }

  #opened(session: NamespaceSession): void {
    this.#session = session;
    if (this.#stopped) return this.stop();
    session.signal.addEventListener('abort', () => this.#retry(), { once: true });
  }

  #retry(): void {
    if (this.#stopped) return;
    this.#cancelRetry = this.#world.clock.after(REGISTRATION_RETRY_MS, () => this.#open());
  }
}
