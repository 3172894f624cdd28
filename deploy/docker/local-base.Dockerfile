# A base like node:24-slim where no image registry can be reached: Debian's packages and the Node of the lockfile.
FROM scratch
ADD rootfs.tar /
COPY node /usr/local/bin/node
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
CMD ["node"]
