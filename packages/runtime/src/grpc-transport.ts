import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import type { Transport } from '@weir/base/transport.ts';
import { connect } from './grpc-client.ts';
import { listen } from './grpc-server.ts';

// What it would print is in the errors that it hands over; it does not know our log.
setLogVerbosity(logVerbosity.NONE);

/** The network between services: gRPC over HTTP/2, in the clear until TLS exists. */
export const grpcTransport: Transport = { connect, listen };
