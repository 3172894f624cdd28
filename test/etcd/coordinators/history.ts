import { claimOf } from '@weir/coordinator/election/claim.ts';
import { decodeValue, KEYS } from '@weir/coordinator/store/records.ts';
import type { MetadataStore } from '@weir/coordinator/store/metadata-store.ts';
import { currentRevision, Recorder } from '@weir/coordinator/store/testing/store-test-kit.ts';

/** What a history comes to. */
export interface Findings {
  readonly wrong: readonly string[];
  readonly claims: number;
  readonly changes: number;
  /** That were begun. */
  readonly brokerSessions: number;
}

/** What the store itself tells of who has written, whatever the coordinators believe. */
export class WriteHistory {
  readonly #recorder: Recorder;

  private constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  static async start(store: MetadataStore): Promise<WriteHistory> {
    return new WriteHistory(new Recorder(store, { prefix: '/', after: await currentRevision(store) }));
  }

  /** Each change that was not of the coordinator whose claim stood at that revision; and how many claims there were. */
  findings(): Findings {
    const wrong: string[] = [];
    let holder: string | undefined;
    let claims = 0;
    let changes = 0;
    let brokerSessions = 0;
    if (this.#recorder.lost !== undefined) wrong.push(`the history is not complete: ${this.#recorder.lost.kind}`);
    for (const { revision, events } of this.#recorder.told) {
      for (const event of events) {
        const key = event.kind === 'put' ? event.item.key : event.key;
        if (event.kind === 'put' && key.startsWith(KEYS.sessions)) brokerSessions++;
        if (key === KEYS.controller) {
          holder = event.kind === 'put' ? claimOf(event.item).incarnation : undefined;
          if (event.kind === 'put') claims++;
        } else if (key === KEYS.lastChange && event.kind === 'put') {
          changes++;
          const { change } = decodeValue(event.item) as { change: string };
          const writer = change.slice(0, change.lastIndexOf('/'));
          if (writer !== holder)
            wrong.push(`revision ${revision} is of ${writer}, and ${holder ?? 'nobody'} was active`);
        }
      }
    }
    return { wrong, claims, changes, brokerSessions };
  }

  close(): void {
    this.#recorder.close();
  }
}
