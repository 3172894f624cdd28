import type { Report } from '../faults/scenario.ts';
import type { ClientPod } from './client-pod.ts';
import type { Release } from './release.ts';

/** One thing that is done to a release. Steps run in order: each finds what the ones before it have left. */
export interface Step {
  readonly name: string;
  /** One line: what is done. */
  readonly title: string;
  /** Takes minutes: runs only when it is asked for. */
  readonly long?: boolean;
  run(context: StepContext): Promise<void>;
}

/** What a step works with. */
export interface StepContext {
  readonly release: Release;
  readonly client: ClientPod;
  readonly image: string;
  readonly etcdImage: string;
  readonly report: Report;
  /** Makes a release in another namespace, which is removed at the end. */
  readonly secondRelease: () => Release;
}
