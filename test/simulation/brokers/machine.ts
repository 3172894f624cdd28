import { sleep } from '@weir/base/clock.ts';
import { DiskError } from '@weir/base/disk.ts';
import { messageOf } from '@weir/base/errors.ts';
import { OFFSETS_RETENTION_MS } from '@weir/base/group-limits.ts';
import { brokerId } from '@weir/base/ids.ts';
import { SimulatedDisk } from '@weir/base/simulated-disk.ts';
import { PowerCut } from '@weir/base/power-cut.ts';
import { Broker } from '@weir/broker/broker.ts';
import { budgetsFor } from '@weir/broker/budgets.ts';
import { simulatedWorld } from '../cluster/world.ts';
import type { LogLine } from '../cluster/world.ts';
import type { Chance } from '../engine/chance.ts';
import { Process } from '../engine/process.ts';
import type { Parts } from '../parts.ts';
import { copyDirectory } from './disk-copy.ts';
import { loseFolder, loseSegment, rot } from './rot.ts';
import type { BrokerSwarm } from './swarm.ts';

/** Of starts before which the disk is copied. */
const COPIED_RATE = 0.5;

/** What was lost with a process, when it ended: nothing that was written, or what was not synced. */
type Ending = 'process' | 'power';

/** A broker's process, on the disk of its machine. */
export interface RunningBroker {
  readonly process: Process;
  /** Once it is made. */
  broker: Broker | undefined;
  /** It has opened its logs. */
  hasRecovered: boolean;
  /** Of its registration; undefined before that. */
  brokerEpoch: number | undefined;
}

/** What machines tell. */
export interface MachineEvents {
  /** It has opened its logs, and not registered yet. */
  recovered(machine: BrokerMachine): void;
  /** Its process is gone. */
  ended(machine: BrokerMachine): void;
  /** Its disk is another one: empty, or older. */
  wiped(machine: BrokerMachine): void;
  logged(machine: BrokerMachine, line: LogLine): void;
}

/** A machine with a disk, on which the real broker runs: it can be killed, paused, and lose its power or its disk. */
export class BrokerMachine {
  readonly id: number;
  readonly events: MachineEvents;
  readonly #parts: Parts<BrokerSwarm>;
  readonly #coordinators: readonly string[];
  readonly #chance: Chance;
  #disk: SimulatedDisk;
  #running: RunningBroker | undefined;
  #ending: Ending = 'process';
  #starts = 0;
  /** The disk as it was before one of the starts. */
  #copy: SimulatedDisk | undefined;
  /** A fault of the disk was asked for: the process may end over it. */
  #mayEnd = false;
  #stalledUntilMs = 0;
  #isWiped = false;
  /** Folders with something that has rotted, until their replicas begin anew. */
  readonly #rotten = new Set<string>();
  /** Folders that are not there any more, until their broker has registered without them. */
  readonly #lost = new Set<string>();
  #hasLostDisk = false;
  #isFilled = false;
  #isStopping = false;
  #isHealed = false;

  constructor(id: number, parts: Parts<BrokerSwarm>, coordinators: readonly string[], events: MachineEvents) {
    this.id = id;
    this.events = events;
    this.#parts = parts;
    this.#coordinators = coordinators;
    this.#chance = parts.chanceFor(`disk ${id}`);
    this.#disk = this.#newDisk();
  }

  get disk(): SimulatedDisk {
    return this.#disk;
  }

  get running(): RunningBroker | undefined {
    return this.#running;
  }

  get process(): Process | undefined {
    return this.#running?.process;
  }

  /** The broker, while its process lives and has opened its logs. */
  get broker(): Broker | undefined {
    return this.#running?.hasRecovered === true ? this.#running.broker : undefined;
  }

  /**
   * Whether the disk has all of a replica that its broker had made durable: what is lost is so until the broker has registered
   * without it, and what has rotted until the replica begins anew.
   */
  isWhole(folder: string): boolean {
    return !this.#isWiped && !this.#rotten.has(folder) && !this.#lost.has(folder);
  }

  /** Whether that ever happened. */
  get hasLostDisk(): boolean {
    return this.#hasLostDisk;
  }

  /** Whether something of a replica has rotted, and it has not begun anew since. */
  isRotten(folder: string): boolean {
    return this.#rotten.has(folder);
  }

  /** Of the replicas that it holds. */
  get folders(): readonly string[] {
    return [...(this.broker?.partitions.all() ?? [])].map(({ folder }) => folder);
  }

  /** Starts the process, with what the last one left on the disk. */
  start(): void {
    if (this.#running !== undefined) return;
    this.#endDisk();
    const mayCopy = this.#parts.swarm.faults.restoreDiskMs > 0 && this.#rotten.size === 0;
    if (mayCopy && this.#chance.happens(COPIED_RATE)) this.#copy = this.#diskCopied();
    this.#mayEnd = false;
    this.#isStopping = false;
    const process = new Process(`broker ${this.id}.${++this.#starts}`, this.#parts.ground);
    const running: RunningBroker = { process, broker: undefined, hasRecovered: false, brokerEpoch: undefined };
    this.#running = running;
    process.whenDead(() => this.#ended());
    process.deliver(() => void this.#run(running));
  }

  /** SIGKILL: what was written is there, synced or not. */
  kill(why = 'killed'): void {
    this.process?.die(why);
  }

  /** The machine loses its power now, or in the middle of one of the next mutations of its disk. */
  cutPower(mutations?: number): void {
    if (this.#running === undefined) this.#ending = 'power';
    else if (mutations !== undefined) this.#disk.crashAfter(mutations);
    else this.#powerGone();
  }

  /** SIGTERM. */
  stop(): void {
    const running = this.#running;
    const broker = running?.broker;
    if (running === undefined || broker === undefined || !running.hasRecovered || this.#isStopping) return;
    this.#isStopping = true;
    running.process.deliver(() => {
      void broker.stop().then(
        () => running.process.die('stopped'),
        (error: unknown) => this.#failed(running, 'stop', error),
      );
    });
  }

  /** The process ends, and the disk is another one: empty. */
  wipe(): void {
    this.kill('its disk is lost');
    this.#replaceDisk(this.#newDisk());
  }

  /** The process ends, and the disk is an older copy of it; false when there is none. */
  restore(): boolean {
    if (this.#copy === undefined) return false;
    this.kill('its disk is restored');
    this.#replaceDisk(this.#copy);
    this.#copy = undefined;
    return true;
  }

  #replaceDisk(disk: SimulatedDisk): void {
    this.#disk = disk;
    this.#ending = 'process';
    this.#isWiped = true;
    this.#hasLostDisk = true;
    this.#rotten.clear();
    this.#lost.clear();
    this.events.wiped(this);
  }

  /**
   * The process ends, and something that it had made durable changes.
   *
   * @param maySpare - whether the replica in a folder may be lost
   */
  rot(maySpare: (folder: string) => boolean): void {
    this.kill('its disk rots');
    // Only then it is known which checkpoint is on the disk, and so what its broker can tell from a torn tail.
    this.#endDisk();
    const rots = this.#chance.happens(0.7) ? rot : loseSegment;
    this.#rots(rots(this.#disk, this.#chance, (folder) => !this.#rotten.has(folder) && maySpare(folder)));
  }

  /** The process ends, and one replica is gone. */
  loseReplica(folder: string): void {
    this.kill(`its replica ${folder} is lost`);
    this.#endDisk();
    if (!loseFolder(this.#disk, folder)) return;
    this.#lost.add(folder);
    this.#rotten.delete(folder);
    this.#hasLostDisk = true;
  }

  /** The same while the broker runs, where it leads: somebody may read it. */
  rotAsItRuns(maySpare: (folder: string) => boolean): void {
    const { broker } = this;
    if (broker === undefined || this.#disk.powerCut !== undefined) return;
    const led = new Set<string>();
    for (const { folder, leadership } of broker.partitions.all()) if (leadership !== undefined) led.add(folder);
    const may = (folder: string): boolean => led.has(folder) && !this.#rotten.has(folder) && maySpare(folder);
    this.#rots(rot(this.#disk, this.#chance, may));
  }

  #rots(folder: string | undefined): void {
    if (folder === undefined) return;
    this.#rotten.add(folder);
    this.#hasLostDisk = true;
  }

  /**
   * Lets segments be smaller than the coordinator would let anybody ask for, so that they are sealed all the time. Called after
   * every event, as the metadata undoes it.
   */
  shrinkSegments(): void {
    const { segmentBytes } = this.#parts.swarm;
    for (const partition of this.broker?.partitions.all() ?? []) {
      const { topic } = partition;
      if (topic.settings.segmentBytes === segmentBytes || partition.state.kind === 'deleted') continue;
      partition.topic = { ...topic, settings: { ...topic.settings, segmentBytes } };
    }
  }

  failNextSync(): void {
    this.#mayEnd = true;
    this.#disk.failNextSync();
  }

  failNextWrite(): void {
    this.#mayEnd = true;
    this.#disk.failNextAppend('EIO', this.#chance.whole(0, 100));
  }

  /** The disk has no room but for so many bytes. */
  fill(freeBytes: number): void {
    if (this.#disk.powerCut !== undefined) return;
    this.#isFilled = true;
    this.#disk.capacityBytes += freeBytes - this.#disk.space().freeBytes;
  }

  /** The disk has the room that it had. */
  empty(): void {
    this.#isFilled = false;
    this.#disk.capacityBytes = this.#parts.swarm.disk.capacityBytes;
  }

  /** Its disk does what it is to do from now on. */
  heal(): void {
    this.empty();
    this.#stalledUntilMs = 0;
    this.#disk.clearFaults();
    this.#disk.crashAfter(Infinity);
    this.#isHealed = true;
  }

  /** Syncs and reads come back no sooner than in so long. */
  stall(ms: number): void {
    this.#stalledUntilMs = this.#parts.ground.scheduler.nowMs + ms;
  }

  #newDisk(): SimulatedDisk {
    const { blockBytes, capacityBytes } = this.#parts.swarm.disk;
    const disk = new SimulatedDisk(this.#chance, { blockBytes, completion: (complete) => this.#completes(complete) });
    disk.capacityBytes = capacityBytes;
    disk.onPowerCut = () => {
      if (disk === this.#disk) this.#powerGone();
    };
    return disk;
  }

  #diskCopied(): SimulatedDisk {
    const copy = this.#newDisk();
    copyDirectory(this.#disk, copy);
    return copy;
  }

  /** What is left of the disk, after the process or with the power. */
  #endDisk(): void {
    if (this.#ending === 'power') this.#disk.crash();
    else this.#disk.kill();
    this.#ending = 'process';
  }

  #powerGone(): void {
    this.#ending = 'power';
    this.process?.die('its power is gone');
  }

  #completes(complete: () => void): void {
    const { scheduler } = this.#parts.ground;
    const { syncMsMax, stallRate, stallMsMax } = this.#parts.swarm.disk;
    const slow = !this.#isHealed && this.#chance.happens(stallRate) ? this.#chance.between(0, stallMsMax) : 0;
    const stalled = Math.max(0, this.#stalledUntilMs - scheduler.nowMs);
    const process = this.process;
    scheduler.in(this.#chance.between(0.02, syncMsMax) + slow + stalled, () => process?.deliver(complete));
  }

  #ended(): void {
    const { network } = this.#parts;
    const { process } = this.#running!;
    // Whatever of it still runs in this turn touches nothing any more.
    this.#disk.cutPower();
    network.died(process);
    this.events.ended(this);
    this.#running = undefined;
  }

  /** As `start.ts` puts it together. */
  async #run(running: RunningBroker): Promise<void> {
    const { network, swarm } = this.#parts;
    const { process } = running;
    const { id } = this;
    const world = simulatedWorld(process, {
      network,
      chance: this.#parts.chanceFor(process.name),
      logged: (line) => this.#logged(running, line),
      fatal: (error) => this.#fatal(error),
    });
    const path = `disk-${id}`;
    const enough = budgetsFor(swarm.memoryBytes);
    const budgets = swarm.isCached ? enough : { ...enough, tailCacheBytes: 0 };
    try {
      const groups = { initialRebalanceDelayMs: 0, offsetsRetentionMs: OFFSETS_RETENTION_MS };
      const broker = new Broker({ brokerId: brokerId(id), path, flush: 'commit', budgets, groups }, world, {
        disk: this.#disk,
        release: () => {},
      });
      running.broker = broker;
      await broker.recover(() => sleep(process.clock, 0));
      running.hasRecovered = true;
      this.events.recovered(this);
      await broker.serve({
        listen: `broker-${id}:7071`,
        advertise: undefined,
        kafka: { listen: `broker-${id}:9092`, advertise: undefined, sockets: noSockets },
        replication: { listen: `broker-${id}:7072`, advertise: undefined },
        coordinators: this.#coordinators,
        rack: '',
      });
      process.clock.every(swarm.compactMs, () => broker.upkeep.look());
    } catch (error) {
      this.#failed(running, 'start', error);
    }
  }

  #logged(running: RunningBroker, line: LogLine): void {
    if (line.message.startsWith('registered with the coordinator')) {
      running.brokerEpoch = Number(line.facts['brokerEpoch']);
      this.#isWiped = false;
      this.#lost.clear();
    }
    if (line.message.includes(' begins anew')) this.#rotten.delete(String(line.facts['partition']));
    this.events.logged(this, line);
  }

  /** As the process ends at once in the real world, nothing goes on behind it. */
  #fatal(error: Error): never {
    // What was left of it has met the end of its disk.
    if (this.process?.isAlive !== true) throw new PowerCut(undefined, '');
    if (!this.#mayEnd && !this.#isFilled)
      this.#parts.ground.violated(`broker ${this.id} ends: ${error.stack ?? error.message}`);
    if (error.message.startsWith('syncing')) this.#parts.sometimes.saw('a broker ended because a sync failed');
    this.process?.die(`it cannot go on: ${error.message}`);
    throw new PowerCut(undefined, '');
  }

  #failed({ process }: RunningBroker, what: string, error: unknown): void {
    if (error instanceof PowerCut) return;
    const isOfDisk = error instanceof DiskError && (this.#mayEnd || this.#isFilled);
    if (!isOfDisk) {
      const text = error instanceof Error ? error.stack : String(error);
      this.#parts.ground.violated(`broker ${this.id} cannot ${what}: ${text}`);
    }
    process.die(`it cannot ${what}: ${messageOf(error)}`);
  }
}

/** A listener to which nobody connects. */
async function noSockets(address: string): Promise<{ readonly address: string; close(): void }> {
  return { address, close() {} };
}
