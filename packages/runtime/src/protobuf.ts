import { fromBinary, toBinary } from '@bufbuild/protobuf';
import type { DescMessage, DescMethod, MessageShape } from '@bufbuild/protobuf';
import type { Codec, Method } from '@weir/base/transport.ts';

/** A described method with its message types. */
type DescribedMethod<I extends DescMessage, O extends DescMessage> = DescMethod & {
  readonly input: I;
  readonly output: O;
};

/** A method of a generated service, spoken as protobuf says. */
export function protobufMethod<I extends DescMessage, O extends DescMessage>(
  method: DescribedMethod<I, O>,
): Method<MessageShape<I>, MessageShape<O>> {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    request: protobufCodec(method.input),
    response: protobufCodec(method.output),
  };
}

/**
 * A message type's codec. Decoding aliases `bytes` fields onto what came in, without a copy: they keep the whole
 * frame alive.
 */
export function protobufCodec<Desc extends DescMessage>(schema: Desc): Codec<MessageShape<Desc>> {
  return {
    encode: (message) => toBinary(schema, message),
    decode: (bytes) => fromBinary(schema, bytes),
  };
}

/** The method with another serializer in one direction, for frames that carry batches. */
export function withCodec<Request, Response, NewRequest = Request, NewResponse = Response>(
  method: Method<Request, Response>,
  codecs: { readonly request?: Codec<NewRequest>; readonly response?: Codec<NewResponse> },
): Method<NewRequest, NewResponse> {
  return {
    path: method.path,
    request: (codecs.request ?? method.request) as Codec<NewRequest>,
    response: (codecs.response ?? method.response) as Codec<NewResponse>,
  };
}
