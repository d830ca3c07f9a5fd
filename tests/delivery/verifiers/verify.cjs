// Verifies requests with the Standard Webhooks library of Node.js: a list of them as JSON in, a line each out.
// The library knows no `v1a`: those are verified with the OpenSSL that Node.js brings.
const crypto = require("node:crypto");
const { Webhook } = require("standardwebhooks");

function verify({ secret, headers, body }) {
    if (!secret.startsWith("whpk_")) {
        new Webhook(secret).verify(body, headers);
        return;
    }
    const x = Buffer.from(secret.slice("whpk_".length), "base64").toString("base64url");
    const key = crypto.createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
    const signed = Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`);
    const signatures = headers["webhook-signature"].split(" ").filter((one) => one.startsWith("v1a,"));
    const isValid = (one) => crypto.verify(null, signed, key, Buffer.from(one.slice("v1a,".length), "base64"));
    if (!signatures.some(isValid)) throw new Error("No matching signature found");
}

for (const request of JSON.parse(require("node:fs").readFileSync(0, "utf8"))) {
    try {
        verify(request);
        console.log("valid");
    } catch (error) {
        console.log(`refused: ${error.message}`);
    }
}
