/** Google's `generateContent` and `countTokens`. Source: the converters of `@google/genai`. */
import { z } from 'zod';
import {
  amount,
  answers,
  base64,
  flag,
  isGiven,
  json,
  list,
  schema,
  text,
  tokens,
} from './fields.ts';
import type { Findings } from './findings.ts';

/** Sound and films have prices of their own. */
const MEDIA = /^(image|text)\/|^application\/(pdf|json|xml|rtf)$/;
const inlineData = z
  .strictObject({
    mimeType: z.string().regex(MEDIA, 'must be an image, a text or a PDF'),
    data: base64,
    displayName: text,
  })
  .nullish();
const fileData = z
  .strictObject({ fileUri: z.string(), mimeType: text, displayName: text })
  .nullish();

const part = z.strictObject({
  text,
  thought: flag,
  thoughtSignature: text,
  inlineData,
  fileData,
  mediaResolution: json,
  functionCall: z.strictObject({ id: text, name: text, args: json }).nullish(),
  functionResponse: z
    .strictObject({
      id: text,
      name: text,
      response: json,
      parts: list(z.strictObject({ inlineData, fileData })),
      scheduling: text,
      willContinue: flag,
    })
    .nullish(),
  executableCode: json,
  codeExecutionResult: json,
});
type Part = z.infer<typeof part>;
const content = z.strictObject({ role: text, parts: list(part) });

const tool = z.strictObject({
  functionDeclarations: list(
    z.strictObject({
      name: z.string(),
      description: text,
      parameters: schema,
      parametersJsonSchema: schema,
      response: schema,
      responseJsonSchema: schema,
      behavior: text,
    }),
  ),
  googleSearch: json,
  googleSearchRetrieval: json,
  enterpriseWebSearch: json,
  urlContext: json,
  codeExecution: json,
  computerUse: json,
  fileSearch: json,
  mcpServers: json,
  googleMaps: json,
});
const TOOLS = {
  googleSearch: 'web_search',
  googleSearchRetrieval: 'web_search',
  enterpriseWebSearch: 'web_search',
  urlContext: 'web_fetch',
  codeExecution: 'code_execution',
  computerUse: 'computer_use',
  fileSearch: 'file_search',
  mcpServers: 'mcp',
  googleMaps: 'maps',
} as const;

/** Google's own mark for as much thought as the model likes. */
const DYNAMIC = -1;

export const geminiRequest = z.strictObject({
  contents: list(content),
  systemInstruction: content.nullish(),
  tools: list(tool),
  toolConfig: z
    .strictObject({
      functionCallingConfig: z
        .strictObject({ mode: text, allowedFunctionNames: list(z.string()) })
        .nullish(),
    })
    .nullish(),
  safetySettings: list(z.strictObject({ category: text, threshold: text, method: text })),
  generationConfig: z
    .strictObject({
      maxOutputTokens: tokens,
      candidateCount: answers,
      thinkingConfig: z
        .strictObject({
          includeThoughts: flag,
          thinkingBudget: z.union([z.literal(DYNAMIC), tokens]),
          thinkingLevel: text,
        })
        .nullish(),
      responseModalities: list(z.enum(['TEXT', 'text'])),
      responseMimeType: text,
      responseSchema: schema,
      responseJsonSchema: schema,
      responseLogprobs: flag,
      logprobs: amount,
      mediaResolution: text,
      stopSequences: list(z.string()),
      temperature: amount,
      topP: amount,
      topK: amount,
      seed: amount,
      presencePenalty: amount,
      frequencyPenalty: amount,
    })
    .nullish(),
  cachedContent: text,
  // Others cost more.
  serviceTier: z.enum(['unspecified', 'standard', 'flex']).nullish(),
});

export function inspectGemini(body: z.infer<typeof geminiRequest>, found: Findings): void {
  found.reference(body.cachedContent);
  for (const [index, one] of (body.tools ?? []).entries()) {
    for (const [name, tool] of Object.entries(TOOLS)) {
      if (isGiven(one[name as keyof typeof TOOLS])) found.ask(tool, `tools[${index}].${name}`);
    }
  }
  for (const [index, { parts }] of (body.contents ?? []).entries()) {
    for (const [at, one] of (parts ?? []).entries()) {
      inspectPart(one, `contents[${index}].parts[${at}]`, found);
    }
  }
  for (const [index, one] of (body.systemInstruction?.parts ?? []).entries()) {
    inspectPart(one, `systemInstruction.parts[${index}]`, found);
  }
}

function inspectPart(one: Part, field: string, found: Findings): void {
  inspectData(one, field, found);
  if (isGiven(one.executableCode)) found.ask('code_execution', `${field}.executableCode`);
  if (isGiven(one.codeExecutionResult)) found.ask('code_execution', `${field}.codeExecutionResult`);
  for (const [index, inner] of (one.functionResponse?.parts ?? []).entries()) {
    inspectData(inner, `${field}.functionResponse.parts[${index}]`, found);
  }
}

function inspectData(
  { inlineData, fileData }: Pick<Part, 'inlineData' | 'fileData'>,
  field: string,
  found: Findings,
): void {
  if (inlineData?.mimeType.startsWith('image/')) found.images += 1;
  else if (inlineData) found.isUnsized = true;
  found.remote(fileData?.fileUri, `${field}.fileData.fileUri`);
}
