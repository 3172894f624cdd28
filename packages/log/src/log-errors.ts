import { DiskError } from '@weir/base/disk.ts';

/** What is answered once a log is closed. */
export function closedError(): DiskError {
  return new DiskError('EBADF', 'the log was closed');
}

/** Codes that tell of the process, not of the disk. */
const LACKS_RESOURCES = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN']);

/** Whether a read failed for want of descriptors or memory: then the log is as good as before. */
export function lacksResources(error: DiskError): boolean {
  return LACKS_RESOURCES.has(error.code);
}

/** The code of a read that found something else than batches. */
export const BAD_BYTES = 'EBADMSG';

/** Whether a file is not, or not all there, as it was written: that is no better the next time. */
export function isDamage(error: DiskError): boolean {
  return error.code === BAD_BYTES || error.code === 'ENOENT';
}

/** Whether a write failed for want of something that may be there again later: nothing is lost, and it can be repeated. */
export function passesByItself(error: DiskError): boolean {
  if (error.duringSync) return false;
  return lacksResources(error) || error.code === 'ENOSPC' || error.code === 'EDQUOT';
}
