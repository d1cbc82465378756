r"""Paths that name somebody, and texts that look alike and name nobody.

`test_homes` loops over all callers with these tables. In each path `alice` is a user, and
`moonshot` a repository or a share.
"""

from __future__ import annotations

from typing import Final

HOMES: Final = r"""
/home/alice/x
/Users/alice/x
/root/moonshot/x
/mnt/c/Users/alice/proj
/var/home/alice
/usr/home/alice/.config
/export/home/alice
/home2/alice/public
/c/Users/alice/x
/cygdrive/c/Users/alice/x
/host_mnt/c/Users/alice/x
/run/desktop/mnt/host/c/Users/alice/x
/Volumes/will young disk/Users/alice/x
/System/Volumes/Data/Users/alice/x
/net/fs1/home/alice/x
/nfs/users/alice
/mnt/nas/homes/alice
/volume1/homes/alice
/data/home/alice
/gpfs/users/alice
/afs/example.org/user/alice
/Network/Servers/fs1/Users/alice
/run/media/alice/disk
/homes/alice/x
/nethome/alice/x
/var/services/homes/alice
/share/CACHEDEV1_DATA/homes/alice
/sysroot/ostree/deploy/fedora/var/home/alice
/mnt/c/Documents and Settings/alice/x
ssh://host/home/alice/x
vscode-remote://wsl%2Bubuntu/home/alice/x
/var/mail/alice
/tmp/pytest-of-alice/pytest-0/x
~alice/proj/x
file:///home/alice/x
file%3A%2F%2F%2Fhome%2Falice%2Fx
http://127.0.0.1:4566/?p=/home/alice/x
-I/home/alice/include
-v/home/alice:/x
../../home/alice/x
./home/alice/x
[31m/home/alice/x
/ostree/deploy/fedora/var/home/alice
/private/var/root/alice
/eos/user/a/alice/x
/var/lib/docker/volumes/x/_data/home/alice
/tmp/build/put/moonshot/x
C:\Users\alice\x
c:\users\alice\x
C:/Users/alice/x
C:\\Users\\alice\\x
\Users\alice\x
C:\cygwin64\home\alice\x
D:\Documents and Settings\alice\x
\\?\C:\Users\alice\x
\\fileserver\homes\alice\x
\\corp.local\moonshot
\\\\fileserver\\homes\\alice
\\wsl$\Ubuntu\home\alice
\\?\UNC\fileserver\moonshot
//fileserver/users/alice/x
smb://fileserver/moonshot/x
/home/runner/work/moonshot/moonshot/x
D:\a\moonshot\moonshot\x
/d/a/moonshot/moonshot/x
/__w/moonshot/moonshot/x
/opt/actions-runner/_work/moonshot/moonshot
/builds/acme/moonshot/x
/builds/Ab12Cd34/0/acme/moonshot/x
C:\GitLab-Runner\builds\acme\moonshot
/var/lib/jenkins/workspace/moonshot
/var/jenkins_home/workspace/moonshot@2
/var/lib/jenkins/jobs/moonshot/builds/12/log
C:\ProgramData\Jenkins\.jenkins\workspace\moonshot\x
/var/lib/buildkite-agent/builds/host-1/acme/moonshot
C:\projects\moonshot\x
/workspaces/moonshot/x
/workspace/acme/moonshot/x
/codebuild/output/src12/src/github.com/acme/moonshot
/woodpecker/src/git.acme.org/acme/moonshot
/var/lib/go-agent/pipelines/moonshot/x
/buildbot/workers/moonshot/build
/tmp/build/80754af9/moonshot/x
/opt/bamboo-home/xml-data/build-dir/moonshot
""".strip().splitlines()

NOT_HOMES: Final = r"""
64517be1-7dd0-479b-a8ec-88d3e544afd9
0123456789abcdef0123456789abcdef01234567
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
/home/64517be1-7dd0-479b-a8ec-88d3e544afd9/x
/builds/64517be1-7dd0-479b-a8ec-88d3e544afd9/x
/opt/buildagent/work/3f2a9b1c4d5e6f70/x
/usr/lib/python3.11/site-packages/x.py
/var/lib/docker/overlay2/0123456789abcdef/merged
/run/user/1000/docker.sock
unix:///var/run/docker.sock
/home
/home/$USER/x
C:\Users\%USERNAME%\x
~/x
home/x
C:\Program Files\Docker
\\.\pipe\docker_engine
\\n\\tat x
https://example.com/home/index
https://home/index
http://h/api/Users/list
/api/v1/users/list
D:\a\1\s
D:\a\_temp\x
/__w/1/s
/__w/_temp/x
/workspace/src/main.py
/github/workspace/x
/drone/src/x
/agent/_work/1/s
/opt/build/repo/x
/Volumes/workspace/repository/x
s3.amazonaws.com/home.html
application/json and/or s3/users
""".strip().splitlines()

VERSIONS: Final = """
version 10.20.30.40
Version: 10.20.30.40
"version":"10.20.30.40"
ProductVersion=10.20.30.40, Culture=neutral
versions 10.20.30.40 and 10.20.30.41
v10.20.30.40
release 10.20.30.40
Chrome/10.20.30.40 Safari/5
aws-cli/10.20.30.40 x
pkg==10.20.30.40
pkg>=10.20.30.40
pkg-10.20.30.40.tar.gz
pkg-10.20.30.40-py3-none-any.whl
10.20.30.40 or later
acme/app:10.20.30.40
10.20.30.40.dev1
OID 1.3.6.1
""".strip().splitlines()
"""Versions of four numbers, told from an address by what stands around them."""

ADDRESSES: Final = """
at 10.1.2.3
10.1.2.3
addr=10.1.2.3
server 10.1.2.3.
host 10.1.2.3:80
myhost/10.1.2.3:8080
http://10.1.2.3/x
root@10.1.2.3
10.1.2.3-10.1.2.9
10.1.2.3/24
ip-10.1.2.3
node/10.1.2.3
version mismatch at 10.1.2.3
host:10.1.2.3
redis://10.1.2.3:6379
2001:db8::1
fe80::1:2:3
""".strip().splitlines()
