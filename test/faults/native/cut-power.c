// Cuts the power of a mounted ext4: everything that was not synced is lost, and every later call fails with EIO.
// Usage: cut-power MOUNT_POINT

#include <fcntl.h>
#include <linux/ioctl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

// From the kernel's fs/ext4/ext4.h; not in its exported headers everywhere.
#define EXT4_SHUTDOWN _IOR('X', 125, uint32_t)
// Neither the data nor the file system's own journal is written out before.
#define WITHOUT_FLUSHING_THE_JOURNAL 2u

int main(int count, char **words) {
  if (count != 2) {
    fprintf(stderr, "usage: cut-power MOUNT_POINT\n");
    return 2;
  }
  int directory = open(words[1], O_RDONLY | O_DIRECTORY);
  if (directory == -1) {
    perror(words[1]);
    return 1;
  }
  uint32_t how = WITHOUT_FLUSHING_THE_JOURNAL;
  int result = ioctl(directory, EXT4_SHUTDOWN, &how);
  if (result != 0) perror("cannot shut the file system down");
  close(directory);
  return result == 0 ? 0 : 1;
}
