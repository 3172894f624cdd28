import { create } from '@bufbuild/protobuf';
import type { Stream, StreamHandlers } from '@weir/base/transport.ts';
import { StandByResponseSchema } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { StandByRequest, StandByResponse } from '@weir/proto/weir/coordinator/v1/coordinator_pb.js';
import type { Office } from './office.ts';

/** Answers a standby: the stream tells it no more than that the coordinator which it means is here. */
export function acceptStandby(office: Office, stream: Stream<StandByResponse>): StreamHandlers<StandByRequest> {
  return {
    message({ incarnation }) {
      if (office.active?.claim.incarnation === incarnation) stream.send(create(StandByResponseSchema));
      else stream.abort({ kind: 'refused', ...office.notActive() });
    },
    drained: () => {},
    closed: () => {},
  };
}
