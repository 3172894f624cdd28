import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assert } from '@weir/base/assert.ts';
import { brokerId } from '@weir/base/ids.ts';
import type { BrokerId } from '@weir/base/ids.ts';
import type { ConfigResource } from './alter-configs.ts';
import { rulesOf } from './partition-rules.ts';
import { checkPartition } from './partition.ts';
import type { Doubt } from './partition.ts';
import { NO_LEADER, registrationOf } from './image.ts';
import type { ClusterImage } from './image.ts';
import { checkAllLed, checkIsThereOrDeleted, CompleteReplicas, snapshotOf } from './test-controller-checks.ts';
import { loadImage, TestController } from './test-controller.ts';

type Step =
  | { kind: 'register'; broker: number; directory: 'a' | 'b'; doubts: Doubt[] }
  | { kind: 'end' | 'drain' | 'undrain' | 'unregister' | 'isCurrent'; broker: number }
  /** A leader wants another ISR, and may be wrong about something. */
  | { kind: 'alterIsr'; among: number; members: (typeof MEMBERS)[number]; flaw: (typeof FLAWS)[number] }
  /** A broker does not trust a replica any more, and may be wrong about something. */
  | {
      kind: 'report';
      broker: number;
      among: number;
      spoke: 'now' | 'before' | 'never';
      flaw: (typeof REPORT_FLAWS)[number];
    }
  | { kind: 'minimum'; value: number | undefined; ofCluster: boolean; among: number }
  | { kind: 'allowUnclean'; isOn: boolean; ofCluster: boolean; among: number }
  | { kind: 'grow'; by: number }
  | { kind: 'configure' | 'producerIds' }
  /** `isHeard`: every broker that lives has said that it knows the metadata. */
  | { kind: 'elect'; isHeard: boolean }
  | { kind: 'electUncleanly' }
  | { kind: 'create'; partitions: number; factor: number }
  | { kind: 'delete'; count: number };

/** Whom a leader wants in sync: whoever may be, whoever is, and so on; `any` is some of all replicas. */
const MEMBERS = ['eligible', 'eligible', 'same', 'withoutLeader', 'leader', 'any'] as const;
/** What it is wrong about. `raced`: it asks twice from the same state. */
const FLAWS = [
  'none',
  'none',
  'none',
  'raced',
  'partitionEpoch',
  'oldEpoch',
  'newEpoch',
  'registration',
  'asker',
] as const;

const REPORT_FLAWS = ['none', 'none', 'partitionEpoch', 'newEpoch', 'registration'] as const;

const doubts = fc.array(fc.constantFrom<Doubt>('missing', 'damaged', 'unsynced'), { maxLength: 3 });
const anyBroker = fc.integer({ min: 1, max: 4 });
/** What brokers do, and what is done with them. */
const brokerStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('register' as const),
    broker: anyBroker,
    directory: fc.constant('a' as const),
    doubts: fc.constant<Doubt[]>([]),
  }),
  fc.record({ kind: fc.constantFrom('end' as const, 'drain' as const, 'undrain' as const), broker: anyBroker }),
  fc.record({
    kind: fc.constant('alterIsr' as const),
    among: fc.nat(),
    members: fc.constantFrom(...MEMBERS),
    flaw: fc.constantFrom(...FLAWS),
  }),
  fc.record({ kind: fc.constant('elect' as const), isHeard: fc.boolean() }),
  fc.record({
    kind: fc.constant('report' as const),
    broker: anyBroker,
    among: fc.nat(),
    spoke: fc.constantFrom('now' as const, 'before' as const, 'never' as const),
    flaw: fc.constantFrom(...REPORT_FLAWS),
  }),
);
/** What is asked of partitions, and what is accepted of them. */
const ruleStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('minimum' as const),
    value: fc.constantFrom(1, 2, 3, undefined),
    ofCluster: fc.boolean(),
    among: fc.nat(),
  }),
  fc.record({
    kind: fc.constant('allowUnclean' as const),
    isOn: fc.boolean(),
    ofCluster: fc.boolean(),
    among: fc.nat(),
  }),
  fc.constant({ kind: 'electUncleanly' as const }),
);
/** Also while brokers are away that are needed. */
const createStep: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant('create' as const),
  partitions: fc.constantFrom(1, 3, 150),
  factor: fc.integer({ min: 1, max: 4 }),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: brokerStep },
  { weight: 1, arbitrary: ruleStep },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('register' as const),
      broker: anyBroker,
      directory: fc.constantFrom('a' as const, 'a' as const, 'b' as const),
      doubts,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('end' as const, 'unregister' as const, 'isCurrent' as const),
      broker: anyBroker,
    }),
  },
  { weight: 1, arbitrary: createStep },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('grow' as const), by: fc.constantFrom(1, 140) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('configure' as const, 'producerIds' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('delete' as const), count: fc.integer({ min: 1, max: 3 }) }),
  },
);
const dieAfter = fc.option(fc.nat(3), { nil: undefined, freq: 3 });

test('whatever happens in whatever order, and wherever the coordinator dies, R12 holds and no lost replica leads', () => {
  const check = fc.check(
    fc.property(fc.array(fc.tuple(step, dieAfter), { maxLength: 25 }), (steps) => runAll(new TestController(), steps)),
    { numRuns: 150 },
  );
  expect(fc.defaultReportMessage(check)).toBeUndefined();
});

/** Four brokers and two topics, whose leaders may be elected uncleanly or not. */
function populated({ isUnclean = false }: { readonly isUnclean?: boolean } = {}): TestController {
  const controller = new TestController();
  const set = [['unclean.leader.election.enable', String(isUnclean)]] as const;
  controller.alterConfigs([{ type: 'broker', name: '', set }]);
  for (const id of [1, 2, 3, 4]) controller.register(id, { directory: 'a' });
  controller.createTopics([
    { name: 'three', partitionCount: 4, replicationFactor: 3 },
    { name: 'two', partitionCount: 4, replicationFactor: 2 },
  ]);
  return controller;
}

test('however brokers come, go, drain and get their leadership back, R12 holds and who drains leads what nobody else can', () => {
  const check = fc.check(
    fc.property(fc.array(fc.tuple(brokerStep, dieAfter), { maxLength: 40 }), (steps) => runAll(populated(), steps)),
    { numRuns: 150 },
  );
  expect(fc.defaultReportMessage(check)).toBeUndefined();
});

test('however ISRs and their minimum change, and whatever is elected uncleanly, who is in sync or may lead has all that is committed', () => {
  const anyStep = fc.oneof(
    { weight: 6, arbitrary: brokerStep },
    { weight: 4, arbitrary: ruleStep },
    { weight: 1, arbitrary: createStep },
  );
  const check = fc.check(
    fc.property(fc.boolean(), fc.array(fc.tuple(anyStep, dieAfter), { maxLength: 40 }), (isUnclean, steps) =>
      runAll(populated({ isUnclean }), steps),
    ),
    { numRuns: 150 },
  );
  expect(fc.defaultReportMessage(check)).toBeUndefined();
});

/** Does it all, and checks after each step what has to hold. */
function runAll(begun: TestController, steps: readonly (readonly [Step, number | undefined])[]): void {
  let controller = begun;
  const complete = new CompleteReplicas(controller.image);
  const producerIds = new Set<number>();
  for (const [index, [action, death]] of steps.entries()) {
    const before = snapshotOf(controller.image);
    const topics = [...controller.image.topics.values()];
    const lives = livesOf(controller.image);
    perform(controller, action, { name: `t${index}`, death, complete, producerIds });
    if (death !== undefined) controller = new TestController(controller.store);
    complete.check(controller.image);
    checkImage(controller, before, complete);
    if (action.kind === 'electUncleanly' && death === undefined) checkAllLed(controller.image);
    checkLives(controller.image, lives, { action, isCertain: death === undefined });
    for (const { name, id } of topics) checkIsThereOrDeleted(controller, { name, id });
  }
}

function perform(
  controller: TestController,
  action: Step,
  {
    name,
    death,
    complete,
    producerIds,
  }: { name: string; death: number | undefined; complete: CompleteReplicas; producerIds: Set<number> },
): void {
  const died = death === undefined ? {} : { dieAfter: death };
  switch (action.kind) {
    case 'create':
      controller.createTopics([{ name, partitionCount: action.partitions, replicationFactor: action.factor }], died);
      return;
    case 'grow':
      controller.createPartitions(
        [...controller.image.topics.values()].map((topic) => ({
          name: topic.name,
          totalCount: topic.partitionCount + action.by,
        })),
        died,
      );
      return;
    case 'configure': {
      const set = [['retention.ms', String(controller.image.revision)]] as const;
      const alterations = [...controller.image.topics.keys()].map(
        (topic) => ({ type: 'topic', name: topic, set }) as const,
      );
      const cluster = {
        type: 'broker',
        name: '',
        set: [['log.retention.ms', String(controller.image.revision)]],
      } as const;
      controller.alterConfigs([...alterations, cluster], died);
      return;
    }
    case 'producerIds': {
      const first = controller.allocateProducerIds(1, died);
      assert(first === undefined || !producerIds.has(first), 'producer ids are given out twice');
      if (first !== undefined) producerIds.add(first);
      return;
    }
    case 'delete':
      controller.deleteTopics([...controller.image.topics.values()].slice(0, action.count), died);
      return;
    case 'end':
      controller.endSession(action.broker, died);
      return;
    case 'drain':
    case 'undrain':
      controller.drain(action.broker, { isOn: action.kind === 'drain', ...died });
      return;
    case 'unregister':
      controller.unregister(action.broker, died);
      return;
    case 'isCurrent':
      controller.isCurrent(action.broker);
      return;
    case 'elect':
      if (action.isHeard) for (const { id } of controller.image.activeBrokers()) controller.isCurrent(id);
      controller.electLeaders(undefined, died);
      return;
    case 'electUncleanly':
      controller.electLeaders(undefined, { election: 'unclean', ...died });
      return;
    case 'alterIsr':
      alterIsr(controller, action, { complete, ...died });
      return;
    case 'report':
      report(controller, action, { complete, ...died });
      return;
    case 'minimum': {
      const config = ['min.insync.replicas', String(action.value ?? '')] as const;
      const change = action.value === undefined ? { delete: [config] } : { set: [config] };
      controller.alterConfigs([{ ...ownerOf(controller, action), ...change }], died);
      return;
    }
    case 'allowUnclean': {
      const set = [['unclean.leader.election.enable', String(action.isOn)]] as const;
      controller.alterConfigs([{ ...ownerOf(controller, action), set }], died);
      return;
    }
    case 'register': {
      const partitions = [...controller.image.partitions()];
      const doubtful = action.doubts.flatMap((why, i) => {
        const partition = partitions[i];
        return partition === undefined ? [] : [{ topicId: partition.topicId, partition: partition.index, doubt: why }];
      });
      const known = [...controller.image.brokers.values()].find(({ id }) => id === action.broker);
      const result = controller.register(action.broker, { directory: action.directory, doubtful, ...died });
      // What a coordinator died of has not been answered, and may or may not have happened.
      if (result?.kind !== 'registered') return;
      const isOther = known !== undefined && known.directoryId !== action.directory;
      for (const { topicId: id, partition } of doubtful) complete.lost(`${id}/${partition}`, action.broker);
      if (isOther) for (const { topicId: id, index } of partitions) complete.lost(`${id}/${index}`, action.broker);
      return;
    }
  }
}

function ownerOf(
  { image }: TestController,
  { ofCluster, among }: { readonly ofCluster: boolean; readonly among: number },
): ConfigResource {
  const names = [...image.topics.keys()];
  const name = names[among % names.length];
  return ofCluster || name === undefined ? { type: 'broker', name: '' } : { type: 'topic', name };
}

/** A leader asks for another ISR; the answer has to be the one that its mistake deserves. */
function alterIsr(
  controller: TestController,
  { among, members, flaw }: Extract<Step, { kind: 'alterIsr' }>,
  { complete, ...died }: { readonly complete: CompleteReplicas; readonly dieAfter?: number },
): void {
  const { image } = controller;
  const ledOnes = [...image.partitions()].filter(({ leader }) => leader !== NO_LEADER);
  const partition = ledOnes[among % ledOnes.length];
  if (partition === undefined || partition.leader === NO_LEADER) return;
  const { topicId, index, leader, leaderEpoch, partitionEpoch, replicas } = partition;
  const isr = partition.isr.map(({ broker }) => broker);
  const isEligible = (id: BrokerId): boolean => ['active', 'registered'].includes(image.stateOf(id));
  const wanted = {
    eligible: [...isr, ...replicas.filter((id) => !isr.includes(id) && isEligible(id))],
    same: isr,
    withoutLeader: isr.filter((id) => id !== leader),
    leader: isr.filter((id) => id === leader),
    any: replicas.filter((_, i) => ((among >> i) & 1) === 1),
  }[members];
  const joining = wanted.filter((id) => !isr.includes(id));
  const epochOf = (id: BrokerId): number => image.sessionOf(id)?.revision ?? 0;
  const mistake = {
    none: {},
    raced: {},
    partitionEpoch: { partitionEpoch: partitionEpoch - 1 },
    oldEpoch: { leaderEpoch: leaderEpoch - 1 },
    newEpoch: { leaderEpoch: leaderEpoch + 1 },
    registration: {
      isr: wanted.map((broker) => ({ broker, epoch: epochOf(broker) - (joining.includes(broker) ? 1 : 0) })),
    },
    asker: { by: [...image.activeBrokers()].find(({ id }) => id !== leader)?.id ?? leader },
  }[flaw];
  const code = expectedCode();
  const place = { name: image.topicById(topicId)!.name, index };
  const ask = (): string | undefined =>
    controller.alterIsr(place, wanted, { partitionEpoch, leaderEpoch, by: leader, ...mistake, ...died });
  const answer = ask();
  const next = controller.partition(place);
  assert(answer === undefined || answer === code, `${answer} is answered, and not ${code}`);
  for (const { broker } of next.isr) if (joining.includes(broker)) complete.caughtUp(`${topicId}/${index}`, broker);
  if (code !== 'NONE' || answer === undefined) {
    assert(answer === undefined || next.partitionEpoch === partitionEpoch, 'what was refused was written');
    return;
  }
  assert(next.partitionEpoch === partitionEpoch + 1, 'what was accepted is one change');
  expect(next.isr.map(({ broker }) => broker)).toEqual(wanted);
  assert(wanted.includes(leader) || next.leaderEpoch === leaderEpoch + 1, 'who resigns leads no longer');
  if (flaw === 'raced') assert(ask() !== 'NONE', 'two changes follow the same state');

  function expectedCode(): string {
    if (flaw === 'asker' && mistake.by !== leader) return 'NOT_LEADER_OR_FOLLOWER';
    if (flaw === 'oldEpoch') return 'FENCED_LEADER_EPOCH';
    if (flaw === 'newEpoch') return 'UNKNOWN_LEADER_EPOCH';
    if (flaw === 'partitionEpoch') return 'INVALID_UPDATE_VERSION';
    if (wanted.length === 0) return 'INVALID_REQUEST';
    const isOutdated = flaw === 'registration' && joining.length > 0;
    return isOutdated || joining.some((id) => !isEligible(id)) ? 'INELIGIBLE_REPLICA' : 'NONE';
  }
}

/** A broker reports a replica; the answer has to be the one that its mistake deserves. */
function report(
  controller: TestController,
  { broker, among, spoke, flaw }: Extract<Step, { kind: 'report' }>,
  { complete, ...died }: { readonly complete: CompleteReplicas; readonly dieAfter?: number },
): void {
  const { image } = controller;
  const own = [...image.partitions()].filter(({ replicas }) => replicas.includes(brokerId(broker)));
  const partition = own[among % own.length];
  const session = image.sessionOf(brokerId(broker));
  if (partition === undefined || session === undefined) return;
  const { topicId, index, leaderEpoch, partitionEpoch } = partition;
  const spokeIn = { now: leaderEpoch, before: leaderEpoch - 1, never: -1 }[spoke];
  const mistake = {
    none: {},
    partitionEpoch: { partitionEpoch: partitionEpoch - 1 },
    newEpoch: { leaderEpoch: leaderEpoch + 1 },
    registration: { brokerEpoch: session.revision - 1 },
  }[flaw];
  const code = {
    none: 'NONE',
    partitionEpoch: 'INVALID_UPDATE_VERSION',
    newEpoch: 'UNKNOWN_LEADER_EPOCH',
    registration: 'STALE_BROKER_EPOCH',
  }[flaw];
  const place = { name: image.topicById(topicId)!.name, index };
  const answer = controller.report(place, broker, { leaderEpoch: spokeIn, ...mistake, ...died });
  assert(answer === undefined || answer === code, `${answer} is answered, and not ${code}`);
  if (answer !== 'NONE') return;
  complete.lost(`${topicId}/${index}`, broker);
  const next = controller.partition(place);
  const counted = [...next.isr, ...next.elr, ...next.lastKnownElr];
  assert(!counted.some((one) => one.broker === broker), 'somebody counts on a replica that was reported');
  assert(next.leader === NO_LEADER || next.leaderEpoch > spokeIn, 'a leader that knows the replica goes on');
  if (next.leader === NO_LEADER) complete.gaveUp(`${topicId}/${index}`, next.partitionEpoch);
}

/** Of every broker, the session that it has and whether it drains. */
function livesOf(image: ClusterImage): Map<number, { session: string | undefined; drains: boolean }> {
  return new Map(
    [...image.brokers.keys()].map((id) => [
      id,
      { session: image.sessionOf(id)?.id, drains: image.stateOf(id) === 'draining' },
    ]),
  );
}

/** Whether brokers drain as they were told to: nothing but an undrain and the end of its session ends a drain. */
function checkLives(
  image: ClusterImage,
  before: ReturnType<typeof livesOf>,
  { action, isCertain }: { readonly action: Step; readonly isCertain: boolean },
): void {
  const after = livesOf(image);
  for (const id of new Set([...before.keys(), ...after.keys()])) {
    const [was, is] = [before.get(id), after.get(id)];
    const isOfAction = 'broker' in action && action.broker === id;
    const isTold = isOfAction && (action.kind === 'drain' || action.kind === 'undrain') && was?.session !== undefined;
    const kept = was?.session === is?.session && was?.drains === true;
    const expected = isTold ? action.kind === 'drain' : kept;
    assert(
      is?.drains === expected || (isTold && !isCertain && is?.drains === kept) || is === undefined,
      'a drain came or went by itself',
    );
    assert(
      is !== undefined || (isOfAction && action.kind === 'unregister'),
      'a broker is gone that nobody unregistered',
    );
    const broker = image.brokers.get(brokerId(id));
    const session = image.sessionOf(brokerId(id));
    assert(session === undefined || registrationOf(broker!) === session.revision, 'a drain changed an epoch');
  }
}

function checkImage(
  { image, store }: TestController,
  before: ReturnType<typeof snapshotOf>,
  complete: CompleteReplicas,
): void {
  const active = new Map(image.activeBrokers().map(({ id }) => [id, image.sessionOf(id)!.revision]));
  for (const [place, partition] of snapshotOf(image)) {
    const rules = rulesOf(image, partition);
    checkPartition(partition, rules);
    const old = before.get(place) ?? partition;
    const isLed = partition.leader !== -1;
    const changed = partition.revision !== old.revision;
    const candidates = partition.elr.filter(
      ({ broker: id, directory }) => active.has(id) && image.brokers.get(id)!.directoryId === directory,
    );
    const stored = store.rangeNow({
      prefix: `/partitions/${place.replace(/\d+$/, (index) => index.padStart(5, '0'))}`,
    });
    assert(
      partition.isr.every(({ broker: id, epoch }) => active.get(id) === epoch),
      'a fenced broker is in sync',
    );
    assert(partition.leaderEpoch >= old.leaderEpoch, 'the leader epoch fell');
    assert(partition.leader === old.leader || partition.leaderEpoch > old.leaderEpoch, 'two leaders in one epoch');
    assert(changed || partition.partitionEpoch === old.partitionEpoch, 'an epoch changed without a write');
    assert(partition.partitionEpoch + 1 === stored.items[0]!.version, 'the partition epoch does not count the writes');
    const drains = (id: number): boolean => image.stateOf(brokerId(id)) === 'draining';
    assert(
      !isLed || !drains(partition.leader) || partition.isr.every(({ broker: id }) => drains(id)),
      'a draining broker leads what another one could',
    );
    assert(
      partition.replicas.every((id) => image.brokers.has(id)),
      'a replica is on a broker that is gone',
    );
    assert(isLed || candidates.length === 0, 'a partition that could have a leader has none');
    assert(
      isLed ||
        !rules.uncleanElection ||
        complete.isGivenUp(place, partition.partitionEpoch) ||
        partition.replicas.every((id) => !active.has(id)),
      'a partition that may have any leader has none',
    );
    assert(
      partition.uncleanEpoch === old.uncleanEpoch || partition.elr.length === 0,
      'an ELR is left after an unclean election',
    );
  }
  const { image: reloaded, orphans } = loadImage(store);
  expect(orphans).toEqual([]);
  expect(snapshotOf(reloaded)).toEqual(snapshotOf(image));
  expect(new Map(reloaded.brokers)).toEqual(new Map(image.brokers));
  expect(livesOf(reloaded)).toEqual(livesOf(image));
  expect(new Map(reloaded.sessions)).toEqual(new Map(image.sessions));
  expect([...reloaded.deletedTopics.keys()].toSorted()).toEqual([...image.deletedTopics.keys()].toSorted());
  expect(reloaded.partitionCount).toBe(image.partitionCount);
  expect(new Map(reloaded.topics)).toEqual(new Map(image.topics));
  expect(new Map(reloaded.brokerConfigs)).toEqual(new Map(image.brokerConfigs));
  expect(reloaded.nextProducerId).toBe(image.nextProducerId);
}
