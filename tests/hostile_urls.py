"""URLs that would have us reach what their sender cannot, and addresses that are no business of a caller's.

`files.example.org` and every name below `cdn.example.org` stand for what is allowed, at the usual port.
"""

HOSTILE_FORMS = [
    "", "part.gcode", "//files.example.org/part.gcode", "http://files.example.org/part.gcode",
    "HTTP://files.example.org/", "ftp://files.example.org/part.gcode", "file:///etc/passwd",
    "gopher://files.example.org:443/_GET", "data:text/plain,G28", "javascript:alert(1)", "gs://bucket/part.gcode",
    "jar:https://files.example.org!/a", "https:files.example.org/a", "https:/files.example.org/a", "https:///a",
    "https://", "https://?a", "https://localhost/a", "https://127.0.0.1/a", "https://127.1/a", "https://127.0.1/a",
    "https://2130706433/a", "https://0x7f000001/a", "https://0x7f.0.0.1/a", "https://0177.0.0.1/a",
    "https://017700000001/a", "https://0/a", "https://0.0.0.0/a", "https://127.0.0.1./a", "https://10.0.0.1/a",
    "https://192.168.0.1/a", "https://172.16.0.1/a", "https://169.254.169.254/computeMetadata/v1/",
    "https://0xa9fea9fe/a", "https://2852039166/a", "https://0251.0376.0251.0376/a", "https://[::1]/a",
    "https://[::]/a", "https://[::ffff:127.0.0.1]/a", "https://[::ffff:a9fe:a9fe]/a", "https://[64:ff9b::7f00:1]/a",
    "https://[fe80::1%25eth0]/a", "https://[fd00:ec2::254]/a", "https://[2002:7f00:1::]/a", "https://①②⑦.⓪.⓪.①/a",
    "https://127。0。0。1/a", "https://files.example.org。evil.example/a", "https://fіles.example.org/a",
    "https://ﬁles.example.org/a", "https://files.example.org./a", "https://files.example.org.evil.example/a",
    "https://evilfiles.example.org/a", "https://evil.example/files.example.org",
    "https://evil.example#files.example.org/", "https://evil.example?files.example.org/",
    "https://files.example.org@evil.example/a", "https://files.example.org:443@evil.example/a",
    "https://u:p@files.example.org/a", "https://@files.example.org/a", "https://evil.example\\@files.example.org/a",
    "https://files.example.org\\.evil.example/a", "https://evil.example%2f@files.example.org/",
    "https://files.example.org%00.evil.example/a", "https://%66iles.example.org/a", "https://files.example.org:22/a",
    "https://files.example.org:8080/a", "https://files.example.org:0/a", "https://files.example.org:65979/a",
    "https://files.example.org:/a", "https://files.example.org:+443/a", "https://files.example.org:443:22/a",
    "https://files.example.org:443 /a", " https://files.example.org/a",
    "https://files.example.org/a\r\nHost: evil.example", "https://files.example.org/a b",
    "https://files.example.org/\x00", "https://files.example.org/é.gcode", "https://files.example.org/" + "a" * 3_000,
    "https://*.cdn.example.org/a", "https://cdn.example.org/a", "https://-.cdn.example.org/a",
    "https://..cdn.example.org/a", "https://a_b.cdn.example.org/a",
    "https://metadata.google.internal/computeMetadata/v1/", "https://metadata/a",
    "https://" + "a." * 140 + "cdn.example.org/", "https://" + "a" * 64 + ".cdn.example.org/a",
]  # fmt: skip
"""None of them is to be looked up, or asked."""

HOSTILE_URLS = [
    # other schemes, and none
    "http://files.example.org/a.gcode", "HTTP://127.0.0.1:{port}/a.gcode", "ftp://127.0.0.1:{port}/a.gcode",
    "file:///etc/passwd", "gopher://127.0.0.1:{port}/_GET", "dict://127.0.0.1:{port}/info", "data:text/plain,G28",
    "javascript:alert(1)", "gs://bucket/a.gcode", "jar:https://127.0.0.1:{port}!/a.gcode", "//127.0.0.1:{port}/a.gcode",
    "a.gcode", "https:127.0.0.1:{port}/a.gcode", "https:///a.gcode", "https://",
    # IPv4 in every notation
    "https://127.0.0.1:{port}/a.gcode", "https://127.1:{port}/a.gcode", "https://127.0.1:{port}/a.gcode",
    "https://2130706433:{port}/a.gcode", "https://0x7f000001:{port}/a.gcode", "https://0x7f.0.0.1:{port}/a.gcode",
    "https://0177.0.0.1:{port}/a.gcode", "https://017700000001:{port}/a.gcode", "https://0:{port}/a.gcode",
    "https://0.0.0.0:{port}/a.gcode", "https://127.0.0.1.:{port}/a.gcode", "https://10.0.0.1/a.gcode",
    "https://172.16.0.1/a.gcode", "https://192.168.1.1/a.gcode", "https://100.64.0.1/a.gcode",
    # IPv6, mapped, translated, tunnelled, with a zone
    "https://[::1]:{port}/a.gcode", "https://[::]:{port}/a.gcode", "https://[0:0:0:0:0:0:0:1]:{port}/a.gcode",
    "https://[::ffff:127.0.0.1]:{port}/a.gcode", "https://[::ffff:7f00:1]:{port}/a.gcode",
    "https://[::127.0.0.1]:{port}/a.gcode", "https://[64:ff9b::7f00:1]:{port}/a.gcode",
    "https://[2002:7f00:1::]:{port}/a.gcode", "https://[fe80::1%25eth0]:{port}/a.gcode",
    "https://[::1%25lo]:{port}/a.gcode", "https://[fd00::1]/a.gcode", "https://[::1/a.gcode",
    # metadata servers
    "https://169.254.169.254/computeMetadata/v1/a.gcode", "https://2852039166/a.gcode", "https://0xa9fea9fe/a.gcode",
    "https://0251.0376.0251.0376/a.gcode", "https://[::ffff:a9fe:a9fe]/a.gcode", "https://[fd00:ec2::254]/a.gcode",
    "https://metadata.google.internal/computeMetadata/v1/a.gcode", "https://metadata/a.gcode",
    # user names and what looks like them
    "https://files.example.org@127.0.0.1:{port}/a.gcode", "https://files.example.org:443@127.0.0.1:{port}/a.gcode",
    "https://user:word@files.example.org/a.gcode", "https://@files.example.org/a.gcode",
    "https://127.0.0.1:{port}\\@files.example.org/a.gcode", "https://127.0.0.1:{port}%2f@files.example.org/a.gcode",
    "https://127.0.0.1:{port}#@files.example.org/a.gcode", "https://127.0.0.1:{port}?@files.example.org/a.gcode",
    # names: local ones, allowed ones' lookalikes, other letters, encoded
    "https://localhost:{port}/a.gcode", "https://LOCALHOST.:{port}/a.gcode", "https://canary.localhost:{port}/a.gcode",
    "https://localhost.localdomain:{port}/a.gcode", "https://files.example.org./a.gcode",
    "https://files.example.org.evil.example/a.gcode", "https://evilfiles.example.org/a.gcode",
    "https://cdn.example.org/a.gcode", "https://a_b.cdn.example.org/a.gcode", "https://①②⑦.⓪.⓪.①:{port}/a.gcode",
    "https://127。0。0。1:{port}/a.gcode", "https://fіles.example.org/a.gcode", "https://ﬁles.example.org/a.gcode",
    "https://%31%32%37.0.0.1:{port}/a.gcode", "https://%66iles.example.org/a.gcode",
    "https://files.example.org%00.evil.example/a.gcode", "https://files.example.org%2eevil.example/a.gcode",
    # ports
    "https://files.example.org:22/a.gcode", "https://files.example.org:{port}/a.gcode",
    "https://files.example.org:0/a.gcode", "https://files.example.org:65979/a.gcode",
    "https://files.example.org:443:{port}/a.gcode", "https://files.example.org:/a.gcode",
    # line ends, blanks, length
    "https://files.example.org/a\r\nHost: 127.0.0.1", "https://files.example.org/a b.gcode",
    " https://files.example.org/a.gcode", "https://files.example.org/\x00.gcode",
    "https://files.example.org/" + "a" * 3_000 + ".gcode",
]  # fmt: skip
"""Likewise, with `{port}` for that of a server on loopback that would notice; names on loopback may be looked up."""

PRIVATE = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255",
    "127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.169.254", "169.254.170.2", "172.16.0.1",
    "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255",
    "198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "::1",
    "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
    "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:0:7f00:1::", "2001:db8::1", "2001:10::1",
    "2002:7f00:1::", "2002:a9fe:a9fe::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1",
    "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1",
]  # fmt: skip
PUBLIC = [
    "8.8.8.8",
    "34.160.1.1",
    "142.250.74.16",
    "100.63.255.255",
    "100.128.0.1",
    "172.32.0.1",
    "2a00:1450::1",
    "2606:4700::1",
]
