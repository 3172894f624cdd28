import { hostname } from 'node:os';
import { getContainerRuntimeClient } from 'testcontainers';
import { isAlive } from './weir-child.ts';

/** The client of the Docker engine that testcontainers found. */
export type Engine = Awaited<ReturnType<typeof getContainerRuntimeClient>>['container']['dockerode'];

/** What everything that a test makes in the engine carries, with the name of its run. */
const RUN_LABEL = 'dev.weir.test-run';
/** A run tells its workers its name by this variable. */
const RUN_VARIABLE = 'WEIR_TEST_RUN';

/** This run, by the machine and the process that it ends with. */
const OWN_RUN = process.env[RUN_VARIABLE] ?? `${hostname()}/${process.pid}`;

/** Labels for whatever is made. */
export const madeByThisRun: Readonly<Record<string, string>> = { [RUN_LABEL]: OWN_RUN };

/** Variables for a worker of this run. The reaper would be an image to pull, and this run clears up by itself. */
export const runEnvironment = { [RUN_VARIABLE]: OWN_RUN, TESTCONTAINERS_RYUK_DISABLED: 'true' };

/** @throws Error (as a rejection) when no engine answers */
export async function connectEngine(): Promise<Engine> {
  return (await getContainerRuntimeClient()).container.dockerode;
}

/** Containers, volumes and networks that tests have made. */
export class TestResources {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Removes what this run has made and not removed; returns what it was. */
  removeOwn(): Promise<string[]> {
    return this.#remove((run) => run === OWN_RUN);
  }

  /** Removes what runs on this machine have left that are not there any more; returns what it was. */
  removeLeftovers(): Promise<string[]> {
    return this.#remove((run) => {
      const [host, pid] = run.split('/');
      return host === hostname() && !isAlive(Number(pid));
    });
  }

  /** Containers first: they use the others. */
  async #remove(isOurs: (run: string) => boolean): Promise<string[]> {
    const filters = { label: [RUN_LABEL] };
    const ours = ({ Labels }: { Labels?: Record<string, string> | undefined }): boolean =>
      isOurs(Labels?.[RUN_LABEL] ?? '');
    const removed: string[] = [];
    for (const { Id, Names } of (await this.#engine.listContainers({ all: true, filters })).filter(ours)) {
      await removeContainer(this.#engine, Id);
      removed.push(`container ${Names[0]}`);
    }
    for (const { Name } of ((await this.#engine.listVolumes({ filters })).Volumes ?? []).filter(ours)) {
      await this.#engine.getVolume(Name).remove();
      removed.push(`volume ${Name}`);
    }
    for (const { Id, Name } of (await this.#engine.listNetworks({ filters })).filter(ours)) {
      await this.#engine.getNetwork(Id).remove();
      removed.push(`network ${Name}`);
    }
    return removed;
  }
}

/** Ends and removes a container, a paused one as well. */
export async function removeContainer(engine: Engine, id: string): Promise<void> {
  const container = engine.getContainer(id);
  const { State } = await container.inspect();
  if (State.Paused) await container.unpause();
  await container.remove({ force: true, v: true });
}
