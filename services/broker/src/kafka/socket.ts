/** A client's connection as its server sees it. */
export interface KafkaSocket {
  /** The client's address, without its port. */
  readonly peerHost: string;
  /** host:port of the client, for people. */
  readonly peer: string;
  /**
   * Sends parts together. They must not change until `done` is called: once the system has them, or the connection is
   * over.
   */
  write(parts: readonly Uint8Array[], done: () => void): void;
  /** Of what was written, the bytes that the system has not taken yet: it falls as long as the client takes anything. */
  readonly unsentBytes: number;
  /** Reads nothing more until `resume`. */
  pause(): void;
  resume(): void;
  /** Ends the connection at once. `closed` is called. */
  destroy(): void;
}

/** What owns a connection. It says where bytes are to be put before they are read, so that they need not be moved. */
export interface SocketOwner {
  /** Where the next bytes go. Asked for after each `received`, and once at the beginning. */
  buffer(): Buffer;
  /** So many bytes lie at the front of what `buffer` returned last. */
  received(bytes: number): void;
  /** The connection is over. Nothing is called after it. */
  closed(): void;
}

/** A listener on one address. */
export interface SocketListener {
  /** host:port as bound. */
  readonly address: string;
  /** Accepts nothing more. Connections that stand go on. */
  close(): void;
}

/** Begins to listen. @throws Error (as a rejection) that names the address when it cannot be bound */
export type ListenForSockets = (
  address: string,
  accept: (socket: KafkaSocket) => SocketOwner | undefined,
) => Promise<SocketListener>;
