// What the walks share: a token of the partner alder, and what ends them.
export const url = process.env["CONCORD_URL"]!;

export async function token(): Promise<string> {
  const response = await fetch(process.env["CONCORD_TOKEN_URL"]!, {
    method: "POST",
    headers: { authorization: "Basic " + btoa("alder:local"), "content-type": "application/x-www-form-urlencoded" },
    body: "grant_type=client_credentials",
  });
  return ((await response.json()) as { access_token: string }).access_token;
}

export function want<T>(what: string, got: T, wanted: T): void {
  if (got !== wanted) throw new Error(`${what}: got ${JSON.stringify(got)}, want ${JSON.stringify(wanted)}`);
}
