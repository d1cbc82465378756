"""Names and forms of credentials that every room has to know, and those that are harmless.

`test_sensitive` loops over all callers with these tables; nothing here is of any account.
"""

from __future__ import annotations

from typing import Final

_DRAWN: Final = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"

NAMES: Final = (
    *("password", "PASSWORD", "passwd", "passphrase", "my_passphrase", "passcode", "pwd", "db-pwd"),
    *("DB_PASS", "pass", "mypassword", "userPassword", "password2", "PASSWORD_PROD"),
    *("secret", "client_secret", "clientSecret", "SecretAccessKey", "secrets", "secret_value"),
    *("token", "auth_token", "authToken", "AUTH-TOKEN", "auth_token_id", "GITHUB_TOKEN", "tokens"),
    *("accesstoken", "x-amz-security-token", "TOKEN_V2", "NextToken", "refreshToken"),
    *("api_key", "apiKey", "api-key", "APIKey", "APIkey", "apikey", "API_KEYS", "apiKeys"),
    *("x-api-key", "access_key", "AWS_SECRET_ACCESS_KEY", "private_key", "privatekey"),
    *("SIGNING_KEY", "ssh.key", "account-key", "stripe_key"),
    *("credential", "credentials", "AWS_CREDENTIALS", "cookie", "Set-Cookie", "cookies"),
    *("auth", "http_auth", "npm_config__auth", "DOCKER_AUTH_CONFIG"),
    *("authorization", "Authorization", "Proxy-Authorization", "proxyAuthorization"),
    *("secretKey", "secret_key", "PassPhrase", "DBPASS", "userpw", "psk", "jwt", "bearer"),
    *(
        "X-Amz-Signature",
        *("creds", "otp", "storepass", "keyPass", "recovery_codes", "seed_phrase", "conn_str"),
        "pat",
        "github_pat",
        "GITHUB_PAT",
        "dsn",
        "SENTRY_DSN",
        "sentryDsn",
    ),
)
"""Names of variables, fields, headers and options whose value is a credential."""

NOT_NAMES: Final = (
    *("author", "authors", "authored_by", "authority", "authorized", "oauthor"),
    *("pattern", "patterns", "path", "PATH", "paths", "patch", "compat", "spatial"),
    *("passed", "passes", "passenger", "compass", "bypass", "bypass_cache", "passport"),
    *("key", "keys", "Key", "keyboard", "keyword", "monkey", "key_value", "key-count"),
    *("partition_key", "PrimaryKey", "sort_key", "object_key", "publicKey", "public_key"),
    *("tokenizer", "tokenize", "secretary", "secretsmanager", "cookiecutter", "credentialed"),
    *("token_type", "token_count", "token_url", "API_KEY_PATH", "TOKEN_FILE", "secret_name"),
    *("password_policy", "auth_method", "AUTH_ENABLED", "authEndpoint", "CREDENTIAL_HELPER"),
    *("session_id", "machine_id", "cmd", "params", "user_agent", "cwd", "OLDPWD", "", "_", "é"),
)
"""Names that look like those at first sight, and hold no credential."""

TOKENS: Final = {
    "AWS access key": "AKIAIOSFODNN7EXAMPLE",
    "AWS session key": "ASIAIOSFODNN7EXAMPLE",
    "AWS role": "AROAIOSFODNN7EXAMPLE",
    "emulator access key": "LSIAQAAAAAAVNCBMPNSG",
    "Google API key": f"AIza{_DRAWN[:35]}",
    "Google access token": f"ya29.{_DRAWN}",
    "Google client secret": f"GOCSPX-{_DRAWN[:28]}",
    "emulator token": "ls-ABCD1234-wxyz-1234-abcd-123456789012",
    "emulator token of small letters": "ls-abcdefgh-ijkl-mnop-qrst-uvwxyzabcdef",
    "GitHub token": f"ghp_{_DRAWN}",
    "GitHub server token": f"ghs_{_DRAWN}",
    "GitHub fine-grained token": f"github_pat_{_DRAWN}_{_DRAWN}",
    "GitLab token": f"glpat-{_DRAWN[:20]}",
    "Slack token": "xoxb-1234567890-abcdef",
    "OpenAI key": f"sk-proj-{_DRAWN}",
    "Stripe key": f"sk_live_{_DRAWN[:24]}",
    "npm token": f"npm_{_DRAWN}",
    "PyPI token": f"pypi-AgEIcHlwaS5vcmc{_DRAWN}",
    "DigitalOcean token": f"dop_v1_{'0a1b2c3d' * 8}",
    "Vault token": f"hvs.{_DRAWN}",
    "Hugging Face token": f"hf_{_DRAWN}",
    "SendGrid key": f"SG.{_DRAWN[:22]}.{_DRAWN}",
    "Docker token": f"dckr_pat_{_DRAWN[:27]}",
    "Atlassian token": f"ATATT3{_DRAWN}",
    "web token": f"eyJhbGciOiJIUzI1NiJ9.eyJ{_DRAWN}.{_DRAWN}",
    "web token's head": "eyJhbGciOiJIUzI1NiJ9",
}
"""A token of each issuer's form, whole: a name that holds one is refused."""

PLACED: Final = {
    "private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEcanary+/=\n-----END RSA PRIVATE KEY-----",
    "Azure account key": f"AccountKey={'canary0+/' * 9}==",
    "AWS secret key": f'aws_secret_access_key = "{"canary0+" * 5}"',
    "bearer": "Authorization: Bearer canary-0123456789",
    "basic": "basic Y2FuYXJ5OmNhbmFyeQ==",
    "login": "postgres://canary:canary@db/x",
    "login of a field": "url=https://me:canary@host/x",
    "signed URL": "https://h/x?X-Amz-Signature=canary0123456789abcdef&y=1",
    "form": "a=1&password=canary1&b=2",
    "assigned": "my_passphrase=canary1",
    "said": "password: canary1",
    "JSON": '{"clientSecret": "canary1"}',
    "JSON in a text": '{\\"api_key\\":\\"canary1\\"}',
    "option": "--github-pat=canary1",
    "assigned in a text": "text=token=canary1",
    "short": "pwd=canary",
    "short bearer": "Bearer canary12",
    "scheme of its own": "Authorization: Token canary",
    "login of one part": "https://canary123@host/x",
    "option with a blank": "--password canary1",
    "login of curl": "curl -u me:canary https://h/",
    "several words": '{\\"passphrase\\": \\"my canary bird\\"}',
    "setting": "secret_key = canary1",
    "block of YAML": "secretKey: |\n  canary1\n",
    "element of XML": "<pwd>canary</pwd>",
    "named element of XML": '<entry key="secretKey">canary</entry>',
    "attributes of XML": '<add name="passphrase" value="canary"/>',
    "part of a form": 'Content-Disposition: form-data; name="secret_key"\r\n\r\ncanary',
    "step of a path": "/v1/token/canary12/x",
    "Slack hook": "https://hooks.slack.com/services/T0A1B2C3/B0A1B2C3/canary0123456789abcdef",
    "hash of PHP": "'password' => 'canary1'",
    "login without a user": "redis://:canary@h/0",
    "key in a sentence": "API key: canary1",
    "SQL": "IDENTIFIED BY 'canary'",
    "field of HTML": '<input type="password" value="canary">',
    "elements beside each other": "<key>password</key> <string>canary</string>",
    "signature of AWS": "AWS4-HMAC-SHA256 Credential=x/2022, Signature=canary12",
    "cookies": "Cookie: a=b; sid=canary",
    "netrc": "machine h login me password canary",
    "bearer behind two blanks": "Bearer  canary-0123456789",
    "field of a list in a form": "user[password]=canary1&b[0][secret]=canary1",
    "coded field of a list in a form": "user%5Bpassword%5D=canary1",
    "sign in a value": "password=a*canary1",
    "dollar in a value": "password=ab$canary1",
    "tagged value of YAML": "password: !!str canary1",
    "line below in YAML": "password:\n  canary1",
    "list of YAML": "passwords:\n- canary1",
    "pair of YAML": "- name: PASSWORD\n  value: canary1",
    "pair of YAML in a line": "{name: password, value: canary1}",
    "section of XML": "<password><![CDATA[canary1]]></password>",
    "attributes of XML in another order": "<add value='canary1' name='password'/>",
    "product of a User-Agent": "mytool/1.0 api_key/canary12",
    "said to be wrong": "Invalid token 'aBcanary1234' for x",
    "short option of a login": "docker login -u me -p canary1",
}
"""Texts in which a credential, or `canary` in it, is told by its place alone."""

NOT_TOKENS: Final = (
    *("", "ghp_short", "AKIAIOSFODNN7", "sk-learn", "sk-task-management-configuration"),
    *("ls-files-with-their-names", "ls-remote", "pypi-upload", "us-east-1", "hello world"),
    *("ls-alpha-beta", "ls-alpha-beta-gamma", "ls-some-file-here", "ls-abcd-efgh-ijkl"),
    *("CreateDBClusterParameterGroup", "GetBucketLifecycleConfiguration", "NoSuchBucket"),
    *("The specified bucket does not exist", "python3.11.4", "2022-08-30 14:46:54.116457"),
    *(
        "login <token> [options]",
        "Basic 3.11.4",
        "a bearer of news",
        "https://me@host/x",
        "/auth/login",
    ),
    *("author=canary1", "path: /usr/bin/python", "https://example.com/x?y=1", "password=********"),
)
"""Texts that hold no token and no credential."""
