package openai

import (
	"turnout/internal/dialect/neutral"
	"turnout/internal/domain"
)

// table says what becomes of each feature of another dialect on the way to this one.
var table = neutral.Table{
	neutral.FeatureImageURL:          {How: neutral.Carried},
	neutral.FeatureImageData:         {How: neutral.Carried, Why: "as a data: URL"},
	neutral.FeatureDocumentURL:       {How: neutral.Refused, Why: "files stand in the request itself; send the data"},
	neutral.FeatureDocumentData:      {How: neutral.Carried, Why: "a text document becomes a text"},
	neutral.FeatureFile:              {How: neutral.Refused, Why: "an upload belongs to one account; send the data instead"},
	neutral.FeatureAudio:             {How: neutral.Carried, Why: "WAV and MP3; other formats are refused"},
	neutral.FeatureVideo:             {How: neutral.Refused, Why: "the protocol has no video"},
	neutral.FeatureCustomTool:        {How: neutral.Carried, Why: "for models before gpt-5 and of other makers it stands as a function with one text"},
	neutral.FeatureServerTool:        {How: neutral.Dropped, Why: "only its own provider runs it"},
	neutral.FeatureToolStrict:        {How: neutral.Carried},
	neutral.FeatureToolChoiceAllowed: {How: neutral.Carried, Why: "for models of other makers the other tools are left out"},
	neutral.FeatureParallel:          {How: neutral.Carried},
	neutral.FeatureToolResultImage:   {How: neutral.Adapted, Why: "what is no text is given in a user's message after the results"},
	neutral.FeatureToolResultError:   {How: neutral.Carried, Why: "the result's text says that it is an error"},
	neutral.FeatureReasoningEffort:   {How: neutral.Carried},
	neutral.FeatureReasoningBudget:   {How: neutral.Adapted, Why: "an effort is asked for, not a budget"},
	neutral.FeatureReasoningOff:      {How: neutral.Dropped, Why: "the protocol cannot turn off this model's reasoning, if it has any"},
	neutral.FeatureReasoningReplay:   {How: neutral.Carried, Why: "as reasoning_content, to the provider that showed it and to the same model elsewhere"},
	neutral.FeatureForeignReasoning:  {How: neutral.Dropped, Why: "another provider's reasoning means nothing here"},
	neutral.FeatureSchema:            {How: neutral.Carried, Why: "strict, where the schema allows it and the caller's dialect knows no other"},
	neutral.FeatureJSONMode:          {How: neutral.Carried, Why: "with an instruction where nothing speaks of JSON"},
	neutral.FeatureEnum:              {How: neutral.Adapted, Why: "an instruction asks for one of the words"},
	neutral.FeatureMaxTokens:         {How: neutral.Carried, Why: "no limit is needed"},
	neutral.FeatureStop:              {How: neutral.Carried, Why: "four at most; reasoning models take none"},
	neutral.FeatureTemperature:       {How: neutral.Carried, Why: "reasoning models take none"},
	neutral.FeatureTopP:              {How: neutral.Carried, Why: "reasoning models take none"},
	neutral.FeatureTopK:              {How: neutral.Dropped, Why: "there is no top_k"},
	neutral.FeatureSeed:              {How: neutral.Carried},
	neutral.FeaturePenalties:         {How: neutral.Carried, Why: "reasoning models take none"},
	neutral.FeatureLogprobs:          {How: neutral.Dropped, Why: "they are not translated"},
	neutral.FeatureLogitBias:         {How: neutral.Dropped, Why: "the tokens are another model's"},
	neutral.FeatureChoices:           {How: neutral.Refused, Why: "only one answer is translated"},
	neutral.FeatureCacheControl:      {How: neutral.Carried, Why: "the provider caches by itself"},
	neutral.FeatureCacheKey:          {How: neutral.Carried},
	neutral.FeatureCachedContent:     {How: neutral.Refused, Why: "cached content belongs to one account of its provider"},
	neutral.FeatureMetadata:          {How: neutral.Dropped, Why: "only stored answers have it"},
	neutral.FeatureUser:              {How: neutral.Carried, Why: "a name of more than 64 bytes is hashed"},
	neutral.FeatureTier:              {How: neutral.Carried, Why: "auto, default, flex and priority; the speed of the Messages API is left out with a warning"},
	neutral.FeatureVerbosity:         {How: neutral.Dropped, Why: "only models since gpt-5 know it"},
	neutral.FeatureStore:             {How: neutral.Dropped, Why: "answers are not stored for later requests"},
	neutral.FeaturePreviousResponse:  {How: neutral.Refused, Why: "what it refers to is kept by another provider; send the conversation whole, as SDKs do with store: false"},
	neutral.FeatureBackground:        {How: neutral.Refused, Why: "there are no background answers"},
	neutral.FeatureTruncation:        {How: neutral.Dropped, Why: "a prompt that is too long is an error"},
	neutral.FeatureSafety:            {How: neutral.Dropped, Why: "there are no such settings"},
	neutral.FeatureContextManagement: {How: neutral.Dropped, Why: "the conversation is taken as it is"},
	neutral.FeatureMCP:               {How: neutral.Refused, Why: "there are no servers of tools"},
	neutral.FeatureContainer:         {How: neutral.Dropped, Why: "a container belongs to one account of its provider"},
	neutral.FeatureResidency:         {How: neutral.Refused, Why: "a request cannot say where it is served"},
	neutral.FeaturePrediction:        {How: neutral.Dropped, Why: "it is said in another way here"},
	neutral.FeatureOutputAudio:       {How: neutral.Refused, Why: "sound is not translated"},
	neutral.FeatureOutputImage:       {How: neutral.Refused, Why: "answers hold no images"},
	neutral.FeaturePrefill:           {How: neutral.Refused, Why: "the model answers anew and does not go on with what was begun"},
	neutral.FeatureMidSystem:         {How: neutral.Carried},
	neutral.FeatureCitations:         {How: neutral.Dropped, Why: "documents are not cited"},
	neutral.FeatureOpaque:            {How: neutral.Dropped, Why: "a block that only another provider knows"},
	neutral.FeatureUnknown:           {How: neutral.Dropped, Why: "not known here"},
}

// Table implements neutral.Codec.
func (Dialect) Table() *neutral.Table { return &table }

// continues: in the dialect an answer goes on with what the assistant has begun to say, and the
// caller puts the two together.
func continues(from domain.Dialect) bool { return from == domain.DialectAnthropic }
