import type {
  CommitOffsetsRequest,
  CommitOffsetsResponse,
  DescribeGroupsRequest,
  DescribeGroupsResponse,
  FetchOffsetsRequest,
  FetchOffsetsResponse,
  JoinGroupRequest,
  JoinGroupResponse,
  LeaveGroupRequest,
  SyncGroupRequest,
  SyncGroupResponse,
} from '@weir/proto/weir/broker/v1/groups_pb.js';
import type { NetworkWatcher } from '../engine/network.ts';
import type { Process } from '../engine/process.ts';
import type { End, Wire } from '../engine/wire.ts';
import type { Sometimes } from '../sometimes.ts';
import type { GroupLog } from './group-log.ts';
import { Owners } from './owners.ts';
import { placesIn } from './group-log.ts';

/** How a broker stands to the partition of a group. */
export interface Coordination {
  /** It leads it, as far as it knows. */
  readonly leads: boolean;
  /** It does, in the epoch that the store has. */
  readonly isNewest: boolean;
}

/** What the checks need. */
export interface GroupCheckParts {
  readonly log: GroupLog;
  readonly sometimes: Sometimes;
  readonly violated: (what: string) => void;
  readonly nowMs: () => number;
  /** How the broker of a process coordinates a group; undefined: it is no broker, or is gone. */
  readonly coordination: (process: Process, groupId: string) => Coordination | undefined;
}

/** A request of a member, as all of them carry it. */
interface Request {
  readonly groupId: string;
  readonly memberId?: string;
  readonly instanceId?: string;
  readonly generation?: number;
}

/** A request that has arrived at a coordinator. */
interface Asked {
  readonly request: Request;
  readonly tick: number;
  readonly coordination: Coordination | undefined;
}

type Answer = { readonly code: string };

const SERVICE = '/weir.broker.v1.GroupService/';
/** Who was answered within this is still a member: less than the shortest session. */
const HEARD_MS = 3_000;
/** What somebody is told whose instance id another one has, or by whom it is not known for now. */
const FENCES: ReadonlySet<string> = new Set([
  'FENCED_INSTANCE_ID',
  'NOT_COORDINATOR',
  'COORDINATOR_NOT_AVAILABLE',
  'COORDINATOR_LOAD_IN_PROGRESS',
]);

/**
 * G1 to G6 and G8: everything that coordinators answer and members are told, against what is committed of their groups. Answers are
 * compared once their event is over: whatever it has committed counts by then.
 */
export class GroupChecks implements NetworkWatcher {
  readonly owners: Owners;
  readonly #parts: GroupCheckParts;
  readonly #asked = new Map<Wire, Asked>();
  #answers: (() => void)[] = [];
  /** Up to when a client has to know a group, by "client group": it was told of that. */
  readonly #told = new Map<string, number>();
  /** When a broker answered a member last without a refusal, by "broker group member". */
  readonly #heardMs = new Map<string, number>();
  /** By "group topic/0 offset": the newest generation in which somebody wanted to commit that, and whether nobody's did. */
  readonly #wanted = new Map<string, { generation: number; isNobodys: boolean }>();
  /** By "group topic/0": the generation whose commit counts. */
  readonly #committedIn = new Map<string, number>();
  /** Groups that were left by all, and of which that could not be stored: they are empty all the same, until the next record. */
  readonly #emptied = new Map<string, number>();

  constructor(parts: GroupCheckParts) {
    this.#parts = parts;
    this.owners = new Owners(parts.violated);
  }

  received(wire: Wire, { side }: End, message: unknown): void {
    if (!wire.path.startsWith(SERVICE)) return;
    if (side === 'server') return this.#arrived(wire, message as Request);
    const asked = this.#asked.get(wire);
    this.#asked.delete(wire);
    if (asked !== undefined) this.#tell(wire, asked.request, message);
  }

  sent(wire: Wire, { side }: End, message: unknown): void {
    const asked = side === 'server' ? this.#asked.get(wire) : undefined;
    if (asked === undefined) return;
    const { process } = wire.server;
    const now = this.#parts.coordination(process, asked.request.groupId);
    this.#answers.push(() => {
      // What it has committed in its last event nobody has seen.
      if (process.isAlive) this.#answered(wire, asked, { message, now });
    });
  }

  over(wire: Wire, { side }: End): void {
    if (side === 'client') this.#asked.delete(wire);
  }

  /** A broker's log says that all have left a group, and that this is not stored. */
  emptiedUnstored(groupId: string): void {
    this.#emptied.set(groupId, this.#parts.log.tick);
  }

  /** A commit counts. */
  committed(groupId: string, place: string, offset: number): void {
    const { log } = this.#parts;
    const wanted = this.#wanted.get(`${groupId} ${place} ${offset}`);
    if (wanted === undefined) return this.#wrong(groupId, `[G5] ${place} is at ${offset}, which nobody has asked for`);
    const generation = wanted.isNobodys ? -1 : wanted.generation;
    const key = `${groupId} ${place}`;
    const before = this.#committedIn.get(key) ?? -1;
    if (generation >= 0 && generation < before)
      this.#wrong(groupId, `[G5] generation ${generation} sets ${place} to ${offset}, and ${before} has committed`);
    const commits = log.group(groupId).commits.get(place)!;
    const was = commits.at(-2)?.offset ?? 0;
    if (offset < was && generation >= 0) this.#parts.sometimes.saw('a commit came after a later one of its generation');
    if (offset < was && generation < 0)
      this.#parts.sometimes.saw('somebody set back what an empty group had committed');
    this.#committedIn.set(key, Math.max(before, generation));
  }

  /** An event is over, and the log has what it has committed. */
  look(): void {
    const answers = this.#answers;
    if (answers.length > 0) {
      this.#answers = [];
      for (const compare of answers) compare();
    }
    this.#parts.log.tick++;
  }

  #arrived(wire: Wire, message: Request): void {
    const { log, coordination } = this.#parts;
    // Of groups that are described or listed there may be several; here there is one.
    const groupId = message.groupId ?? (message as unknown as Partial<DescribeGroupsRequest>).groupIds?.[0];
    if (groupId === undefined) return;
    const request = { ...message, groupId };
    if (wire.path.endsWith('/LeaveGroup')) this.#sawLeaving(message as unknown as LeaveGroupRequest);
    this.#asked.set(wire, { request, tick: log.tick, coordination: coordination(wire.server.process, groupId) });
    if (!wire.path.endsWith('/CommitOffsets')) return;
    const { offsets, generation } = message as CommitOffsetsRequest;
    for (const { topic, partition, offset } of offsets) {
      const key = `${groupId} ${topic}/${partition} ${offset}`;
      const before = this.#wanted.get(key) ?? { generation: -1, isNobodys: false };
      const isNobodys = before.isNobodys || generation < 0;
      this.#wanted.set(key, { generation: Math.max(before.generation, generation), isNobodys });
    }
  }

  #answered(
    wire: Wire,
    asked: Asked,
    { message, now }: { readonly message: unknown; readonly now: Coordination | undefined },
  ): void {
    const { request } = asked;
    const method = wire.path.slice(SERVICE.length);
    const codes = codesOf(message);
    const isTaken = codes.includes('NONE');
    const was = asked.coordination;
    if (isTaken && was?.leads !== true && now?.leads !== true)
      this.#wrong(request.groupId, `[G6] ${wire.server.process.name} answers ${method}, and does not lead`);
    const isNewest = was?.isNewest === true && now?.isNewest === true;
    const memberId = method === 'JoinGroup' ? (message as JoinGroupResponse).memberId : (request.memberId ?? '');
    const isWhole = this.#parts.log.isWhole(request.groupId);
    if (isNewest && isWhole) this.#fenced(wire, asked, codes);
    if (isTaken && memberId !== '')
      this.#heardMs.set(`${wire.server.process.name} ${request.groupId} ${memberId}`, this.#parts.nowMs());
    this.#sawRefusals(method, codes);
    if (!isWhole) return;
    switch (method) {
      case 'JoinGroup':
        return isTaken ? this.#joined(asked, message as JoinGroupResponse) : undefined;
      case 'SyncGroup':
        return isTaken ? this.#synced(asked, message as SyncGroupResponse) : undefined;
      case 'CommitOffsets':
        return this.#commits(asked, message as CommitOffsetsResponse);
      case 'FetchOffsets':
        return isTaken && isNewest ? this.#fetched(asked, message as FetchOffsetsResponse) : undefined;
      case 'DescribeGroups':
        return isTaken && isNewest ? this.#described(asked, message as DescribeGroupsResponse) : undefined;
      default:
    }
  }

  #sawLeaving({ members }: LeaveGroupRequest): void {
    const isIdle = members.some(({ reason }) => reason === 'its owner takes nothing');
    if (isIdle) this.#parts.sometimes.saw('a member left whose owner took nothing');
  }

  #sawRefusals(method: string, codes: readonly string[]): void {
    const { sometimes } = this.#parts;
    if (codes.includes('COORDINATOR_LOAD_IN_PROGRESS')) sometimes.saw('a group was asked for while it was loaded');
    if (codes.includes('FENCED_INSTANCE_ID')) sometimes.saw('a static member was fenced by another one');
    if (method !== 'CommitOffsets') return;
    if (codes.includes('ILLEGAL_GENERATION')) sometimes.saw('a commit of an earlier generation was refused');
    if (codes.includes('UNKNOWN_MEMBER_ID')) sometimes.saw('a commit of who is no member was refused');
  }

  /** G8: an instance id that another one has is fenced, where that one is known to be there. */
  #fenced({ server }: Wire, { request, tick }: Asked, codes: readonly string[]): void {
    const { groupId, memberId = '', instanceId = '' } = request;
    if (memberId === '' || instanceId === '' || codes.every((code) => FENCES.has(code))) return;
    const { members } = this.#parts.log.group(groupId).before(tick) ?? { members: new Map() };
    for (const [id, member] of members) {
      if (member.instanceId !== instanceId || id === memberId) continue;
      const heardMs = this.#heardMs.get(`${server.process.name} ${groupId} ${id}`) ?? -Infinity;
      if (this.#parts.nowMs() - heardMs > HEARD_MS) return;
      this.#wrong(groupId, `[G8] ${memberId} is told ${codes.join()}, and ${id} is ${instanceId} now`);
    }
  }

  /** G2, G3: a generation is told that is committed, with this member in it. */
  #joined({ request, tick }: Asked, { generation, memberId, members, skipAssignment }: JoinGroupResponse): void {
    const { groupId, memberId: asWas, instanceId } = request as JoinGroupRequest;
    const group = this.#parts.log.group(groupId);
    const stored = group.find(generation, memberId);
    if (stored === undefined)
      return this.#wrong(groupId, `[G2] ${memberId} is told of generation ${generation}, and that is not committed`);
    const stranger = members.find((member) => group.find(generation, member.memberId) === undefined);
    if (stranger !== undefined)
      this.#wrong(groupId, `[G3] ${memberId} leads generation ${generation}, and is told of ${stranger.memberId}`);
    const isBack = instanceId !== '' && asWas === '' && group.before(tick)?.generation === generation;
    if (isBack) this.#parts.sometimes.saw('a static member came back without a rebalance');
    if (isBack && skipAssignment) this.#parts.sometimes.saw('a static member that leads came back');
  }

  /** G2: an assignment is told that is committed. */
  #synced({ request }: Asked, { assignment }: SyncGroupResponse): void {
    const { groupId, memberId, generation } = request as SyncGroupRequest;
    const isCommitted = this.#parts.log
      .group(groupId)
      .generations.some(
        (one) =>
          one.generation === generation &&
          one.isAssigned &&
          one.members.get(memberId)?.assignment.equals(Buffer.from(assignment)) === true,
      );
    if (!isCommitted)
      this.#wrong(groupId, `[G2] ${memberId} is told its assignment of ${generation}, and that is not committed`);
  }

  /** G2, G4: a commit is acknowledged that is committed, of somebody who was in the generation when it came. */
  #commits({ request, tick }: Asked, { results }: CommitOffsetsResponse): void {
    const { groupId, memberId, generation, offsets } = request as CommitOffsetsRequest;
    const group = this.#parts.log.group(groupId);
    const before = group.before(tick);
    for (const [i, { code }] of results.entries()) {
      if (code !== 'NONE') continue;
      const { topic, partition, offset } = offsets[i]!;
      const place = `${topic}/${partition}`;
      const commits = group.commits.get(place) ?? [];
      if (!commits.some((one) => one.offset === Number(offset) && one.tick >= tick))
        this.#wrong(groupId, `[G2] the commit of ${offset} of ${place} is answered, and is not committed`);
      const count = before?.members.size ?? 0;
      const isEmptied = (this.#emptied.get(groupId) ?? -1) > (before?.tick ?? 0);
      if (generation < 0 && memberId === '') {
        if (count > 0 && !isEmptied)
          this.#wrong(groupId, `[G4] nobody commits ${offset} of ${place}, and there are ${count} members`);
      } else if (before?.generation !== generation) {
        const now = before?.generation ?? 'none';
        this.#wrong(groupId, `[G4] a commit of generation ${generation} in ${place} is taken, and ${now} is on`);
      } else if (!before.members.has(memberId)) {
        this.#wrong(groupId, `[G4] a commit of ${memberId} in ${place} is taken, who is not in ${generation}`);
      }
    }
  }

  /** G5: what is read is the last that is committed, before or after this event. */
  #fetched({ request }: Asked, { offsets }: FetchOffsetsResponse): void {
    const { groupId, partitions } = request as FetchOffsetsRequest;
    const { log } = this.#parts;
    const group = log.group(groupId);
    const told = new Map(offsets.map(({ topic, partition, offset }) => [`${topic}/${partition}`, Number(offset)]));
    const asked =
      partitions.length === 0
        ? group.commits.keys()
        : partitions.map(({ topic, partition }) => `${topic}/${partition}`);
    for (const place of asked) {
      if (group.wasCommitted(place, told.get(place), log.tick)) continue;
      const [offset, committed] = [told.get(place) ?? 'nothing', group.offsetOf(place) ?? 'nothing'];
      this.#wrong(groupId, `[G5] ${offset} is read of ${place}, and ${committed} is committed`);
    }
  }

  /** G3, G5: so is the generation, and who is in it once it is stable. */
  #described({ request: { groupId } }: Asked, { groups: [told] }: DescribeGroupsResponse): void {
    if (told === undefined) return;
    const { log } = this.#parts;
    const { generations } = log.group(groupId);
    const recent = generations.filter((one, i) => i === generations.length - 1 || generations[i + 1]!.tick >= log.tick);
    const isRight = recent.some(
      ({ generation, members }) =>
        generation === told.generation &&
        (told.state !== 'Stable' ||
          (members.size === told.members.length &&
            told.members.every(
              ({ memberId, assignment }) => members.get(memberId)?.assignment.equals(Buffer.from(assignment)) === true,
            ))),
    );
    if (isRight || (generations.length === 0 && told.generation === 0)) return;
    const stored = generations.at(-1);
    this.#wrong(
      groupId,
      `[G3] it is said to be ${told.state} in ${told.generation} with ${told.members.length} members, and is stored in ` +
        `${stored?.generation ?? 'none'} with ${stored?.members.size ?? 0}`,
    );
  }

  /** A client hears an answer. From then on it knows as much, at least. */
  #tell(wire: Wire, request: Request, message: unknown): void {
    const { groupId } = request;
    const { log } = this.#parts;
    const client = wire.client.process.name;
    const group = log.group(groupId);
    const key = `${client} ${groupId}`;
    const knows = (tick: number | undefined): void =>
      void this.#told.set(key, Math.max(this.#told.get(key) ?? 0, tick ?? 0));
    const method = wire.path.slice(SERVICE.length);
    if (method === 'JoinGroup') {
      const { code, generation, memberId } = message as JoinGroupResponse;
      if (code === 'NONE')
        knows(group.generations.find((one) => one.generation === generation && one.members.has(memberId))?.tick);
    } else if (method === 'SyncGroup') {
      const { code, assignment } = message as SyncGroupResponse;
      const { memberId, instanceId, generation } = request as SyncGroupRequest;
      const member = { memberId, instanceId: instanceId === '' ? undefined : instanceId };
      if (code === 'NONE') this.owners.told({ groupId, generation, ...member }, placesIn(assignment));
    } else if (method === 'FetchOffsets' && log.isWhole(groupId)) {
      const { code, offsets } = message as FetchOffsetsResponse;
      if (code !== 'NONE') return;
      for (const { topic, partition, offset } of offsets) {
        const place = `${topic}/${partition}`;
        if (group.wasCommitted(place, Number(offset), this.#told.get(key) ?? 0)) continue;
        this.#wrong(groupId, `[G5] ${client} reads ${offset} of ${place}, which was so before what it had been told`);
      }
    }
  }

  #wrong(groupId: string, what: string): void {
    this.#parts.violated(`group ${groupId}: ${what}`);
  }
}

/** Of an answer, or of each of its parts. */
function codesOf(message: unknown): readonly string[] {
  const { code, results, groups } = message as Partial<Answer> & {
    readonly results?: readonly Answer[];
    readonly groups?: readonly Answer[];
  };
  return code === undefined ? (results ?? groups ?? []).map((one) => one.code) : [code];
}
