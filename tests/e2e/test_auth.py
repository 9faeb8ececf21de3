# SPDX-License-Identifier: Apache-2.0
"""TLS, client certificates, users and tokens: right, wrong and missing, by curl and go tool pprof."""
import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support.daemon import Daemon  # noqa: E402
from support.tool import hearth  # noqa: E402

PASSWORD = "correct horse: battery"
TOKEN = "5f2c9e0b7a6d4c31"


def bcrypt(password):
    crypt = ctypes.CDLL("libcrypt.so.1")
    crypt.crypt_gensalt.restype = crypt.crypt.restype = ctypes.c_char_p
    salt = crypt.crypt_gensalt(b"$2y$", ctypes.c_ulong(5), os.urandom(22), 22)
    return crypt.crypt(password.encode(), salt).decode()


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_ca(at, name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
            "-keyout", f"{at}/{name}.key", "-out", f"{at}/{name}.crt")


def make_cert(at, name, ca, usage):
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout",
            f"{at}/{name}.key", "-out", f"{at}/{name}.csr")
    with open(f"{at}/{name}.ext", "w", encoding="ascii") as f:
        f.write(f"subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage={usage}\n")
    openssl("x509", "-req", "-days", "2", "-in", f"{at}/{name}.csr", "-CA", f"{at}/{ca}.crt", "-CAkey", f"{at}/{ca}.key",
            "-CAcreateserial", "-extfile", f"{at}/{name}.ext", "-out", f"{at}/{name}.crt")


class Guarded(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.at = tempfile.mkdtemp(prefix="hearth-auth-")
        make_ca(cls.at, "ca")
        make_ca(cls.at, "stranger")
        make_cert(cls.at, "server", "ca", "serverAuth")
        make_cert(cls.at, "client", "ca", "clientAuth")
        make_cert(cls.at, "foreign", "stranger", "clientAuth")
        cls.write("token", f"# who may ask\n{TOKEN}\n")
        cls.write("users.yml", f'basic_auth_users:\n  ann: "{bcrypt(PASSWORD)}"\n')
        cls.write("tls.yml", "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
                  f'basic_auth_users:\n  ann: "{bcrypt(PASSWORD)}"\n')
        cls.write("mtls.yml", "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  client_ca_file: ca.crt\n"
                  "  client_auth_type: RequireAndVerifyClientCert\n")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.at)

    @classmethod
    def write(cls, name, text):
        with open(os.path.join(cls.at, name), "w", encoding="utf-8") as f:
            f.write(text)

    def file(self, name):
        return os.path.join(self.at, name)

    def serve(self, *arguments):
        return Daemon("--no-sampling", "--store", "memory", *arguments)

    def curl(self, server, *arguments, scheme="http", path="/api/v1/status"):
        done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *arguments,
                               f"{scheme}://127.0.0.1:{server.port}{path}"], stdout=subprocess.PIPE, text=True, timeout=60, check=False)
        return done.stdout

    def pprof(self, url, ca=None):
        """Whether go tool pprof gets a profile. Debian's does not look at its own -tls_ca and -tls_cert: Go's variable names the CA."""
        trust = {"SSL_CERT_FILE": self.file(ca)} if ca else {}
        done = subprocess.run(["go", "tool", "pprof", "-raw", url], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=120, check=False, env={**os.environ, "PPROF_TMPDIR": self.at, **trust})
        return done.returncode == 0 and "PeriodType: cpu nanoseconds" in done.stdout, done.stdout

    def check_pprof(self, url, good, ca=None):
        got, output = self.pprof(url, ca)
        self.assertEqual(got, good, output[:500])
        return output

    def test_users(self):
        with self.serve("--web-config", self.file("users.yml")) as server:
            self.assertEqual(self.curl(server), "401")
            self.assertEqual(self.curl(server, "-u", "ann:wrong"), "401")
            self.assertEqual(self.curl(server, "-u", f"bob:{PASSWORD}"), "401")
            self.assertEqual(self.curl(server, "-u", f"ann:{PASSWORD}"), "200")
            self.assertEqual(self.curl(server, path="/healthz"), "200")
            self.assertEqual(self.curl(server, path="/"), "401")
            self.assertEqual(self.curl(server, path="/nothing"), "401")
            self.assertEqual(self.curl(server, "-X", "POST", "-d", "x", path="/v1development/profiles"), "401")
            host = f"127.0.0.1:{server.port}/debug/pprof/profile?last=1m"
            self.check_pprof(f"http://ann:correct%20horse%3A%20battery@{host}", True)
            self.check_pprof(f"http://ann:wrong@{host}", False)
            self.assertIn("401", self.check_pprof(f"http://{host}", False))
            server.stop()
            self.assertNotIn("battery", server.final_log)

    def test_wrong_passwords_are_slowed_down(self):
        with self.serve("--web-config", self.file("users.yml")) as server:
            codes = [self.curl(server, "-u", "ann:guess") for _ in range(30)]
            self.assertIn("429", codes)
            self.assertLessEqual(set(codes), {"401", "429"})
            time.sleep(1.1)
            self.assertEqual(self.curl(server, "-u", f"ann:{PASSWORD}"), "200")

    def test_tokens(self):
        with self.serve("--token-file", self.file("token")) as server:
            self.assertEqual(self.curl(server), "401")
            self.assertEqual(self.curl(server, "-H", f"Authorization: Bearer {TOKEN}x"), "401")
            self.assertEqual(self.curl(server, "-H", f"Authorization: Bearer {TOKEN[:-1]}"), "401")
            self.assertEqual(self.curl(server, "-H", "Authorization: Bearer # who may ask"), "401")
            self.assertEqual(self.curl(server, "-H", f"Authorization: Bearer {TOKEN}"), "200")
            self.check_pprof(f"http://127.0.0.1:{server.port}/debug/pprof/profile?last=1m", False)
            self.write("token", "another-token-of-some-length\n")
            self.addCleanup(self.write, "token", f"{TOKEN}\n")
            self.assertEqual(self.curl(server, "-H", f"Authorization: Bearer {TOKEN}"), "401")
            self.assertEqual(self.curl(server, "-H", "Authorization: Bearer another-token-of-some-length"), "200")

    def test_tls_with_users(self):
        with self.serve("--web-config", self.file("tls.yml")) as server:
            self.assertIn("listening on https://", server.log)
            trust = ["--cacert", self.file("ca.crt")]
            self.assertEqual(self.curl(server, scheme="https"), "000")  # who is that?
            self.assertEqual(self.curl(server, "--cacert", self.file("stranger.crt"), scheme="https"), "000")
            self.assertEqual(self.curl(server, *trust, scheme="https"), "401")
            self.assertEqual(self.curl(server, *trust, "-u", f"ann:{PASSWORD}", scheme="https"), "200")
            self.assertEqual(self.curl(server, *trust, "--tls-max", "1.1", "-u", f"ann:{PASSWORD}", scheme="https"), "000")
            self.assertNotEqual(self.curl(server, "-u", f"ann:{PASSWORD}"), "200")  # plain
            host = f"127.0.0.1:{server.port}/debug/pprof/profile?last=1m"
            self.check_pprof(f"https://ann:correct%20horse%3A%20battery@{host}", True, "ca.crt")
            self.check_pprof(f"https://ann:wrong@{host}", False, "ca.crt")
            self.check_pprof(f"https://ann:correct%20horse%3A%20battery@{host}", False)

    def test_client_certificates(self):
        with self.serve("--web-config", self.file("mtls.yml")) as server:
            trust = ["--cacert", self.file("ca.crt")]

            def shown(name):
                return [*trust, "--cert", self.file(name + ".crt"), "--key", self.file(name + ".key")]

            self.assertEqual(self.curl(server, *trust, scheme="https"), "401")
            self.assertIn(self.curl(server, *shown("foreign"), scheme="https"), ("401", "000"))
            self.assertIn(self.curl(server, *shown("server"), scheme="https"), ("401", "000"))  # not made for clients
            self.assertEqual(self.curl(server, *shown("client"), scheme="https"), "200")
            url = f"https://127.0.0.1:{server.port}/debug/pprof/profile?last=1m"
            self.assertIn("401", self.check_pprof(url, False, "ca.crt"))  # it has none to show

    def test_an_agent_pushes_through_all_of_it(self):
        self.write("both.yml", "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  client_ca_file: ca.crt\n"
                   "  client_auth_type: RequireAndVerifyClientCert\n")
        with self.serve("--hub", "--web-config", self.file("both.yml"), "--token-file", self.file("token")) as hub:
            with Daemon("--push", f"https://127.0.0.1:{hub.port}", "--push-ca-file", self.file("ca.crt"), "--push-cert-file",
                        self.file("client.crt"), "--push-key-file", self.file("client.key"), "--push-token-file",
                        self.file("token")) as agent:
                time.sleep(1)
                agent.stop()
                self.assertNotIn("hub", agent.final_log)
                self.assertNotIn(TOKEN, agent.final_log)
            answer = subprocess.run(["curl", "-s", "--cacert", self.file("ca.crt"), "--cert", self.file("client.crt"), "--key",
                                     self.file("client.key"), "-H", f"Authorization: Bearer {TOKEN}",
                                     f"https://127.0.0.1:{hub.port}/metrics"], stdout=subprocess.PIPE, text=True, check=True).stdout
            self.assertIn('hearth_hub_batches_total{result="taken"} 1', answer)

    def test_other_addresses_want_both(self):
        def refused(*arguments):
            done = hearth("serve", "--listen", "0.0.0.0:0", "--no-sampling", "--store", "memory", "--check-config", *arguments, timeout=20)
            self.assertEqual(done.returncode, 2, (arguments, done.stderr))
            return done.stderr

        self.assertIn("--insecure", refused())
        refused("--web-config", self.file("users.yml"))
        refused("--token-file", self.file("token"))
        self.write("open.yml", "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n")
        refused("--web-config", self.file("open.yml"))
        for good in (["--web-config", self.file("tls.yml")], ["--web-config", self.file("mtls.yml")],
                     ["--web-config", self.file("open.yml"), "--token-file", self.file("token")], ["--insecure"]):
            done = hearth("serve", "--listen", "0.0.0.0:0", "--no-sampling", "--check-config", *good, timeout=20)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_what_would_protect_nothing_is_refused(self):
        for text, reason in (("tls_server_config:\n  cipher_suites: [X]\n", "1.yml:2: 'cipher_suites' is not supported"),
                             ("tls_server_confg: {}\n", "unknown key 'tls_server_confg'"),
                             ("basic_auth_users:\n  ann: plain\n", "no bcrypt hash"),
                             ("tls_server_config:\n  cert_file: nowhere\n", "cannot read"),
                             ("tls_server_config:\n  cert_file: server.crt\n", "go together"),
                             ("tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  client_ca_file: ca.crt\n",
                              "protects nothing"), ("{", "1.yml:")):
            self.write("1.yml", text)
            done = hearth("serve", "--check-config", "--web-config", self.file("1.yml"), timeout=20)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(reason, done.stderr)

    def test_pages_of_others_cannot_post(self):
        with self.serve("--hub") as server:
            headers = {"Content-Type": "application/x-protobuf", "Origin": "https://evil.example"}
            self.assertEqual(server.request("/v1development/profiles", "POST", headers, b"").status, 403)
            del headers["Origin"]
            self.assertEqual(server.request("/v1development/profiles", "POST", headers, b"").status, 200)


if __name__ == "__main__":
    unittest.main()
