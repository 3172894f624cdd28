/**
 * `Empty`: nobody is in it; also what only commits offsets. `PreparingRebalance`: members are to join. `CompletingRebalance`: they
 * have joined, and wait for what the leader assigns. `Dead`: it is deleted, or not coordinated here any more.
 */
export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead';

const NEXT_STATES: Readonly<Record<GroupState, readonly GroupState[]>> = {
  Empty: ['PreparingRebalance', 'Dead'],
  PreparingRebalance: ['CompletingRebalance', 'Empty', 'Dead'],
  CompletingRebalance: ['Stable', 'PreparingRebalance', 'Dead'],
  Stable: ['PreparingRebalance', 'Dead'],
  Dead: ['Dead'],
};

/** Whether a group may go from one state to the other. */
export function mayBecome(from: GroupState, to: GroupState): boolean {
  return NEXT_STATES[from].includes(to);
}
