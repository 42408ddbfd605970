// What a job calls its fields and findings. The desk knows no rule pack; it asks once per job.

export class Forms {
  constructor(call) {
    this.call = call;
    this.known = new Map();
    this.asked = new Map();
  }

  /** Fetches a job's form unless it is at hand. Resolves true when it came just now. */
  async need(jobId) {
    if (this.known.has(jobId)) return false;
    if (!this.asked.has(jobId)) this.asked.set(jobId, this.call('form', { job_id: jobId }));
    try {
      this.known.set(jobId, await this.asked.get(jobId));
    } catch {
      // Without labels a card can be worked on, with the fields' names; the next card asks again.
      this.asked.delete(jobId);
    }
    return true;
  }

  /** Whether it is known, or was asked for in vain. */
  settled(jobId) {
    return this.known.has(jobId) || !this.asked.has(jobId);
  }

  job(jobId) {
    return this.known.get(jobId)?.job ?? null;
  }

  field(jobId, name) {
    return this.known.get(jobId)?.fields?.find((field) => field.name === name) ?? null;
  }

  label(jobId, name, language) {
    const field = this.field(jobId, name);
    return field?.[`label_${language}`] || field?.label_vi || name;
  }

  /** The finding in plain words; null where the rule pack has none for it. */
  finding(jobId, code, language) {
    const finding = this.known.get(jobId)?.findings?.find((one) => one.code === code);
    return finding?.[`text_${language}`] || finding?.text_vi || null;
  }
}
