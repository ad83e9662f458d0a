package gemini

import "turnout/internal/dialect/neutral"

// Table implements neutral.Codec.
func (Dialect) Table() *neutral.Table { return &table }

// table says what becomes of each feature on the way to generateContent.
var table = neutral.Table{
	neutral.FeatureImageURL:        {How: neutral.Carried, Why: "fileData; Google fetches it"},
	neutral.FeatureDocumentURL:     {How: neutral.Carried, Why: "fileData; Google fetches it"},
	neutral.FeatureFile:            {How: neutral.Refused, Why: "an upload belongs to the account that it was made at"},
	neutral.FeatureCustomTool:      {How: neutral.Adapted, Why: "a function with one string argument, input"},
	neutral.FeatureServerTool:      {How: neutral.Dropped, Why: "Gemini does not have this tool"},
	neutral.FeatureToolStrict:      {How: neutral.Dropped, Why: "Gemini promises no exact schema of single tools"},
	neutral.FeatureParallel:        {How: neutral.Dropped, Why: "Gemini decides by itself how many functions it calls at once"},
	neutral.FeatureToolResultError: {How: neutral.Carried, Why: "the member error of the response"},

	neutral.FeatureReasoningEffort:  {How: neutral.Adapted, Why: "thinkingLevel, or a thinkingBudget before Gemini 3"},
	neutral.FeatureReasoningBudget:  {How: neutral.Adapted, Why: "within what the model takes; a thinkingLevel from Gemini 3 on"},
	neutral.FeatureReasoningOff:     {How: neutral.Adapted, Why: "the least that the model can do"},
	neutral.FeatureForeignReasoning: {How: neutral.Dropped, Why: "Gemini can only read its own reasoning"},

	neutral.FeatureSchema:        {How: neutral.Carried, Why: "responseJsonSchema; before Gemini 3 beside tools: an instruction"},
	neutral.FeatureJSONMode:      {How: neutral.Carried, Why: "responseMimeType; before Gemini 3 beside tools: an instruction"},
	neutral.FeatureEnum:          {How: neutral.Carried, Why: "responseMimeType text/x.enum"},
	neutral.FeaturePenalties:     {How: neutral.Dropped, Why: "models since Gemini 2.5 refuse penalties"},
	neutral.FeatureLogprobs:      {How: neutral.Dropped, Why: "they have no place in the translated answer"},
	neutral.FeatureLogitBias:     {How: neutral.Dropped, Why: "Gemini has no logit bias"},
	neutral.FeatureChoices:       {How: neutral.Refused, Why: "the translated answer has one choice"},
	neutral.FeatureCacheControl:  {How: neutral.Dropped, Why: "Gemini caches prefixes by itself"},
	neutral.FeatureCacheKey:      {How: neutral.Dropped, Why: "Gemini caches prefixes by itself"},
	neutral.FeatureCachedContent: {How: neutral.Refused, Why: "cached content belongs to the account that it was made at"},
	neutral.FeatureMetadata:      {How: neutral.Dropped, Why: "Gemini keeps no metadata of callers"},
	neutral.FeatureUser:          {How: neutral.Dropped, Why: "Gemini has no member for the end user"},
	neutral.FeatureTier:          {How: neutral.Carried, Why: "serviceTier; the speed of the Messages API is left out with a warning"},
	neutral.FeatureVerbosity:     {How: neutral.Dropped, Why: "Gemini has no verbosity"},
	neutral.FeatureStore:         {How: neutral.Dropped, Why: "nothing is stored by this API"},

	neutral.FeaturePreviousResponse:  {How: neutral.Refused, Why: "what it refers to is kept by another provider; send the conversation whole, as SDKs do with store: false"},
	neutral.FeatureBackground:        {How: neutral.Refused, Why: "Gemini answers at once"},
	neutral.FeatureTruncation:        {How: neutral.Dropped, Why: "Gemini does not shorten a conversation"},
	neutral.FeatureSafety:            {How: neutral.Dropped, Why: "safety settings of another dialect"},
	neutral.FeatureContextManagement: {How: neutral.Dropped, Why: "Gemini does not edit a conversation"},
	neutral.FeatureMCP:               {How: neutral.Refused, Why: "this API does not call MCP servers"},
	neutral.FeatureContainer:         {How: neutral.Dropped, Why: "Gemini has no containers"},
	neutral.FeatureResidency:         {How: neutral.Refused, Why: "a request cannot say where it is served"},
	neutral.FeaturePrediction:        {How: neutral.Dropped, Why: "Gemini takes no predicted output"},
	neutral.FeatureOutputAudio:       {How: neutral.Refused, Why: "audio has no place in the translated answer"},
	neutral.FeatureOutputImage:       {How: neutral.Refused, Why: "images have no place in the translated answer"},
	neutral.FeaturePrefill:           {How: neutral.Adapted, Why: "sent as the model's last turn; Gemini may answer anew and not go on with it"},
	neutral.FeatureMidSystem:         {How: neutral.Adapted, Why: "marked text of the user, because only user and model speak"},
	neutral.FeatureCitations:         {How: neutral.Dropped, Why: "Gemini cites searches and not documents of the request"},
	neutral.FeatureOpaque:            {How: neutral.Dropped, Why: "only its own dialect can read it"},
	neutral.FeatureUnknown:           {How: neutral.Dropped, Why: "Gemini refuses members that it does not know"},
}
