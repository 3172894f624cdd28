import { fromBinary, toBinary } from '@bufbuild/protobuf';
import type { DescMessage, DescMethod, MessageShape } from '@bufbuild/protobuf';
import { MESSAGE_FIELDS_MAX } from '@weir/base/limits.ts';
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
    decode(bytes) {
      checkFieldCount(bytes);
      return fromBinary(schema, bytes, READ_OPTIONS);
    },
  };
}

/** What a newer peer sends besides is not kept: nobody passes it on. */
const READ_OPTIONS = { readUnknownFields: false };

/**
 * Every field of a message becomes an object or more, however few bytes it has: a message of empty entries would take
 * sixty times its size in memory, and seconds of the loop.
 *
 * @throws Error when there are more than MESSAGE_FIELDS_MAX of them
 */
function checkFieldCount(bytes: Uint8Array): void {
  // Two bytes are the least that a field has.
  if (bytes.length <= 2 * MESSAGE_FIELDS_MAX) return;
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 1; at < bytes.length; shift *= 0x80) {
      const byte = bytes[at++]!;
      value += (byte & 0x7f) * shift;
      if (byte < 0x80) break;
    }
    return value;
  };
  for (let fields = 1; at < bytes.length; fields++) {
    if (fields > MESSAGE_FIELDS_MAX) throw new Error(`a message has at most ${MESSAGE_FIELDS_MAX} fields`);
    const wireType = varint() & 7;
    if (wireType === WIRE_VARINT) varint();
    else if (wireType === WIRE_LENGTH) {
      // In two steps: `at += varint()` adds to where `at` was before the length was read.
      const length = varint();
      at += length;
    } else if (wireType === WIRE_64) at += 8;
    else if (wireType === WIRE_32) at += 4;
    // What is no protobuf is found out by who decodes it.
    else return;
  }
}

const WIRE_VARINT = 0;
const WIRE_64 = 1;
const WIRE_LENGTH = 2;
const WIRE_32 = 5;

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
