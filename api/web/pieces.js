// A large file in pieces, by the service's resumable uploads (tus 1.0). Contract: `uploadInPieces(file, options)` sends
// it, goes on where it stood when the connection breaks or the service restarts, and resolves to { document, isNew } as
// `upload` does; cancelled, it gives the upload up at the service too. Rejects with a Problem where the service refuses.

const PIECE = 16 << 20; // bytes that are sent again at most when a connection breaks
const BUSY_MS = 1000;
// The last piece came, or still comes, or came too slowly (of a computer that slept, say): ask where it stands.
const AGAIN = new Set(["wrong_offset", "upload_busy", "upload_stalled"]);

/** `request(method, path, { headers, body })` resolves to a good response and rejects with a Problem or Gone;
 *  `isBack()` resolves when the service answers again. */
export async function uploadInPieces(file, { path, password, onProgress, signal }, { request, isBack }) {
  const facts = { filename: file.name, path, password };
  const metadata = Object.entries(facts).filter(([, value]) => value);
  const begun = await patiently(() =>
    request("POST", "uploads", {
      headers: {
        "upload-length": String(file.size),
        "upload-metadata": metadata.map(([name, value]) => `${name} ${base64(value)}`).join(","),
      },
    }),
  );
  const address = `uploads/${begun.headers.get("location").split("/").at(-1)}`;
  try {
    return await send(address);
  } catch (error) {
    if (error.name === "AbortError") request("DELETE", address, { signal: null }).catch(() => {});
    throw error;
  }

  async function send(at) {
    let response = begun;
    let offset = 0;
    while (!response.headers.get("folioscope-document")) {
      try {
        // A file that is gone from the disk would look like a service that is away, for ever.
        await file.slice(offset, offset + 1).arrayBuffer();
        const headers = { "upload-offset": String(offset), "content-type": "application/offset+octet-stream" };
        response = await request("PATCH", at, { headers, body: file.slice(offset, offset + PIECE) });
      } catch (error) {
        if (AGAIN.has(error.code)) await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
        else if (error.code === "gone") await isBack();
        else throw error;
        response = await patiently(() => request("HEAD", at));
      }
      offset = Number(response.headers.get("upload-offset"));
      onProgress?.(offset, file.size);
    }
    const id = response.headers.get("folioscope-document");
    const found = await patiently(() => request("GET", `documents/${encodeURIComponent(id)}`));
    return { document: await found.json(), isNew: response.headers.get("folioscope-existing") !== "true" };
  }

  /** Until somebody answers. */
  async function patiently(ask) {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (error.code !== "gone" || signal?.aborted) throw error;
        await isBack();
      }
    }
  }
}

const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
